"""Killed runs, full disks, checkpoints that are damaged or do not fit, bad losses."""

import json
import os
import re
import resource
import shutil
from contextlib import contextmanager

import pytest
import torch

from mmlitehrnet.checkpoints import CheckpointError, load_checkpoint
from mmlitehrnet.engine.file_backends import AtomicBackend
from tests.checkpoints.files import HARM
from tests.checkpoints.test_reading import flip_a_bit
from tests.engine.hooks.killed_runs import INTERVAL, ITERS, KILLS
from tests.robustness.tiny_runner import Line, tiny_runner
from tests.running import run_python


def names_of(folder):
    return {path.name for path in folder.glob("*.pth*")}


@pytest.mark.slow
def test_a_run_killed_six_times_ends_with_all_its_steps(tmp_path):
    work_dir = tmp_path / "work"
    done = run_python("-m", "tests.engine.hooks.killed_runs", work_dir, timeout=300)
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["status"] == 0, (work_dir / "last.log").read_text()[-3000:]
    assert len(report["writing"]) == KILLS
    assert sum(report["writing"]) >= KILLS // 2  # kills while a file was written
    # No step was lost: what a kill left is where the next run went on, or later.
    assert report["reached"] == sorted(report["reached"])
    assert 0 < report["reached"][-1] < ITERS
    last = load_checkpoint(work_dir / f"iter_{ITERS}.pth")
    assert last["meta"]["iter"] == ITERS
    assert last["optimizer"]["state"][0]["step"] == ITERS
    # Nothing is left behind: neither half a file nor an older checkpoint.
    assert names_of(work_dir) == {f"iter_{ITERS}.pth"}
    resumed = [f"resumed epoch: 0, iter: {step}" for step in range(0, ITERS, INTERVAL)]
    assert any(line in (work_dir / "last.log").read_text() for line in resumed)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of eight steps: its folder has the checkpoints of steps 6 and 8."""
    folder = tmp_path_factory.mktemp("finished")
    tiny_runner(folder).train()
    return folder


@pytest.fixture
def work_dir(finished, tmp_path):
    """A copy of it, to be damaged."""
    folder = tmp_path / "work"
    shutil.copytree(finished, folder)
    (folder / "last_checkpoint").write_text(str(folder / "iter_8.pth"))
    return folder


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def alter(path):
    flip_a_bit(path, load_checkpoint(path)["state_dict"]["backbone.weight"])


@pytest.mark.parametrize(
    "damage, message", [(alter, "was altered"), (os.unlink, "no such file")]
)
def test_resumes_from_the_checkpoint_before(work_dir, damage, message, capfd):
    damage(work_dir / "iter_8.pth")
    runner = tiny_runner(work_dir, iters=10, resume=True)
    runner.train()
    assert runner.iter == 10
    log = "".join(capfd.readouterr())
    assert message in log
    assert f"resuming from {work_dir / 'iter_6.pth'}" in log
    optimizer = load_checkpoint(work_dir / "iter_10.pth")["optimizer"]
    assert optimizer["state"][0]["step"] == 10


@pytest.mark.parametrize("content", ["", None], ids=["empty", "missing"])
def test_the_last_checkpoint_is_found_without_its_name(work_dir, content, capfd):
    """A run can die between a checkpoint and the file that names it."""
    last = work_dir / "last_checkpoint"
    last.unlink() if content is None else last.write_text(content)
    tiny_runner(work_dir, iters=8, resume=True).train()
    assert "resumed epoch: 0, iter: 8" in "".join(capfd.readouterr())


def test_says_where_nothing_is_left_to_resume(work_dir):
    for path in work_dir.glob("*.pth"):
        truncate(path)
    with pytest.raises(CheckpointError, match=r"iter_8\.pth .*without --resume"):
        tiny_runner(work_dir, resume=True).train()


def test_a_damaged_file_that_was_named_is_not_replaced(work_dir):
    truncate(work_dir / "iter_8.pth")
    options = dict(resume=True, load_from=str(work_dir / "iter_8.pth"))
    with pytest.raises(CheckpointError, match=r"iter_8.*newest whole .*iter_6\.pth"):
        tiny_runner(work_dir, **options).train()


@contextmanager
def disk_full_above(size):
    """No file can grow beyond a size, as on a disk with so much room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path):
    wide, hook = dict(width=20_000), dict(max_keep_ckpts=1)  # of 1.4 MB
    tiny_runner(tmp_path, hook, Line(**wide), iters=2).train()
    before = (tmp_path / "iter_2.pth").read_bytes()
    runner = tiny_runner(tmp_path, hook, Line(**wide), iters=4, resume=True)
    message = r"iter_4.pth was not saved \(File too large\).* MiB are free.*--resume"
    with disk_full_above(500_000), pytest.raises(OSError, match=message):
        runner.train()
    assert names_of(tmp_path) == {"iter_2.pth"}
    assert (tmp_path / "iter_2.pth").read_bytes() == before
    # Once there is room, it goes on.
    tiny_runner(tmp_path, hook, Line(**wide), iters=4, resume=True).train()
    assert names_of(tmp_path) == {"iter_4.pth"}


def test_a_full_disk_speaks_of_checkpoints_only_where_there_are_some(tmp_path):
    with disk_full_above(1000), pytest.raises(OSError) as caught:
        AtomicBackend().put(b"x" * 2000, tmp_path / "epoch_1.pth")
    assert "Make room and run again" in str(caught.value)
    assert "before it" not in str(caught.value) and "--resume" not in str(caught.value)


def test_a_run_killed_before_it_removes_a_checkpoint_does_so_later(tmp_path):
    """In the moment in which there is one more than ``max_keep_ckpts``."""
    hook = dict(max_keep_ckpts=1)
    tiny_runner(tmp_path, hook, iters=2).train()
    shutil.copy(tmp_path / "iter_2.pth", tmp_path / "copy")
    tiny_runner(tmp_path, hook, iters=4, resume=True).train()
    assert names_of(tmp_path) == {"iter_4.pth"}
    shutil.move(tmp_path / "copy", tmp_path / "iter_2.pth")
    tiny_runner(tmp_path, hook, iters=5, resume=True).train()
    assert names_of(tmp_path) == {"iter_5.pth"}


def test_checkpoints_of_the_run_that_is_gone_on_from_stay(tmp_path):
    """A run in another folder has other checkpoints to replace."""
    hook = dict(max_keep_ckpts=1)
    tiny_runner(tmp_path / "a", hook, iters=4).train()
    last = tmp_path / "a/iter_4.pth"
    (replaced,) = load_checkpoint(last)["message_hub"]["runtime_info"]["replaced_ckpts"]
    shutil.copy(last, replaced)
    options = dict(resume=True, load_from=str(last))
    tiny_runner(tmp_path / "b", hook, iters=6, **options).train()
    assert names_of(tmp_path / "a") == {"iter_2.pth", "iter_4.pth"}
    assert names_of(tmp_path / "b") == {"iter_6.pth"}


@pytest.mark.parametrize("resume", [False, True], ids=["load_from", "resume"])
def test_a_run_executes_nothing_of_a_checkpoint(resume, work_dir, tmp_path):
    mark, path = tmp_path / "ran", tmp_path / "evil.pth"
    content = load_checkpoint(work_dir / "iter_8.pth")
    # What unpickling would run, and what MMEngine runs of a file that it resumes.
    content["meta"]["config"] = f"open({str(mark)!r}, 'w')"
    torch.save({**content, "extra": HARM["system"](mark)}, path)
    runner = tiny_runner(tmp_path / "new", iters=10, load_from=str(path), resume=resume)
    runner.train()
    assert not mark.exists()
    steps = load_checkpoint(tmp_path / "new/iter_10.pth")["optimizer"]["state"][0]
    assert steps["step"] == (2 + 8 if resume else 10)


def save(path, model):
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return str(path)


def run_from(path, tmp_path, capfd=None, model=None, hook=None, **options):
    runner = tiny_runner(
        tmp_path / "work", hook, model or Line(), iters=1, load_from=path, **options
    )
    runner.train()
    return "".join(capfd.readouterr()) if capfd else ""


def test_load_from_another_head_is_reported(tmp_path, capfd):
    path = save(tmp_path / "model.pth", Line(outputs=3))
    log = run_from(path, tmp_path, capfd)
    assert re.search(r"model\.pth: 2 tensors are taken; 2 tensors .* head\.weight", log)


def test_load_from_another_backbone_stops(tmp_path, capfd):
    path = save(tmp_path / "model.pth", Line(width=5))
    with pytest.raises(CheckpointError, match=r"backbone\.weight of \(5, 4\).*parti"):
        run_from(path, tmp_path)
    log = run_from(path, tmp_path, capfd, hook=dict(partial_weights=True))
    assert "does not fit the model" in log


@pytest.mark.parametrize("folded", [True, False])
def test_a_training_from_a_deployed_models_weights_says_so(folded, tmp_path, capfd):
    models = Line(), Line()
    for model in models:
        norm = torch.nn.BatchNorm1d(4)
        model.backbone = torch.nn.Sequential(model.backbone, norm)
    if folded:
        norm.running_var.fill_(1 - 1e-5)
    path = save(tmp_path / "a.pth", model)
    log = run_from(path, tmp_path, capfd, model=models[0])
    assert log.count("are a deployed model's") == folded


def test_resuming_from_mere_weights_stops(tmp_path):
    path = save(tmp_path / "model.pth", Line())
    with pytest.raises(CheckpointError, match=r"cannot be resumed.*use load_from"):
        run_from(path, tmp_path, resume=True)


def test_a_run_with_a_one_cycle_schedule_goes_on(tmp_path):
    """MMEngine stores the schedule's curve, a method, with its state."""
    schedule = dict(type="OneCycleLR", eta_max=0.01, total_steps=8, by_epoch=False)
    tiny_runner(tmp_path, iters=4, param_scheduler=schedule).train()
    runner = tiny_runner(tmp_path, param_scheduler=schedule, resume=True)
    runner.train()
    assert runner.iter == 8


class Diverging(Line):
    """Its loss is NaN from the third step on."""

    steps = 0

    def forward(self, x, y, mode="tensor"):
        self.steps += 1
        factor = float("nan") if self.steps > 2 else 1
        losses = super().forward(x, y, mode)
        return {name: factor * value for name, value in losses.items()}


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    with pytest.raises(FloatingPointError, match="loss is nan at iteration 3"):
        tiny_runner(tmp_path, dict(interval=1), model=Diverging()).train()
    saved = load_checkpoint(tmp_path / "iter_2.pth")["state_dict"]
    assert all(value.isfinite().all() for value in saved.values())
    assert not (tmp_path / "iter_3.pth").exists()
