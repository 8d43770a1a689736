"""Runs that are killed, disks that are full, checkpoints that are damaged."""

import json
import os
import resource
import shutil
from contextlib import contextmanager

import pytest
import torch

from mmlitehrnet.checkpoints import CheckpointError, check_file
from mmlitehrnet.engine.hooks.checkpoint import AtomicBackend
from tests.robustness.killed_runs import INTERVAL, ITERS, KILLS
from tests.robustness.tiny_runner import Line, tiny_runner
from tests.running import run_python


def test_a_run_killed_ten_times_ends_with_all_its_steps(tmp_path):
    work_dir = tmp_path / "work"
    done = run_python("-m", "tests.robustness.killed_runs", work_dir, timeout=300)
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["status"] == 0, (work_dir / "last.log").read_text()[-3000:]
    assert len(report["writing"]) == KILLS
    assert sum(report["writing"]) >= KILLS // 2  # kills while a file was written
    # No step was lost: what a kill left is where the next run went on, or later.
    assert report["reached"] == sorted(report["reached"])
    assert 0 < report["reached"][-1] < ITERS
    last = torch.load(work_dir / f"iter_{ITERS}.pth")
    assert last["meta"]["iter"] == ITERS
    assert last["optimizer"]["state"][0]["step"] == ITERS
    # Nothing is left behind: neither half a file nor an older checkpoint.
    names = {path.name for path in work_dir.glob("*.p*")}
    assert {name for name in names if ".pth" in name} == {f"iter_{ITERS}.pth"}
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


def empty(path):
    os.truncate(path, 0)


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    weight = torch.load(path)["state_dict"]["backbone.weight"]
    place = data.index(weight.numpy().tobytes())
    data[place] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "truncated": (truncate, "truncated or damaged"),
    "empty": (empty, "is empty"),
    "altered": (flip_a_bit, "was altered"),
    "missing": (os.unlink, "no such file"),
}


@pytest.mark.parametrize("damage, message", DAMAGES.values(), ids=DAMAGES)
def test_resumes_from_the_checkpoint_before(work_dir, damage, message, capfd):
    damage(work_dir / "iter_8.pth")
    runner = tiny_runner(work_dir, iters=10, resume=True)
    runner.train()
    assert runner.iter == 10
    log = "".join(capfd.readouterr())
    assert message in log
    assert f"resuming from {work_dir / 'iter_6.pth'}" in log
    assert torch.load(work_dir / "iter_10.pth")["optimizer"]["state"][0]["step"] == 10


def test_a_flipped_bit_loads_without_a_word_in_pytorch(work_dir):
    """Why the check sums are looked at."""
    before = torch.load(work_dir / "iter_8.pth")["state_dict"]["backbone.weight"]
    flip_a_bit(work_dir / "iter_8.pth")
    after = torch.load(work_dir / "iter_8.pth")["state_dict"]["backbone.weight"]
    assert not torch.equal(before, after)
    with pytest.raises(CheckpointError, match="was altered"):
        check_file(work_dir / "iter_8.pth")


@pytest.mark.parametrize("content", ["", None], ids=["empty", "missing"])
def test_last_checkpoint_is_mended(work_dir, content):
    """A run can die between a checkpoint and the file that names it."""
    last = work_dir / "last_checkpoint"
    last.unlink() if content is None else last.write_text(content)
    runner = tiny_runner(work_dir, iters=8, resume=True)
    runner.train()
    assert runner.iter == 8 and last.read_text() == str(work_dir / "iter_8.pth")


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


def test_resuming_without_a_checkpoint_starts_at_zero(tmp_path):
    runner = tiny_runner(tmp_path, iters=2, resume=True)
    runner.train()
    assert runner.iter == 2


@contextmanager
def disk_full_above(size):
    """No file can grow beyond a size, as on a disk with so much room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("keep", [1, 2])
def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, keep):
    wide = dict(width=20_000)  # a checkpoint of 1.4 MB
    hook = dict(max_keep_ckpts=keep)
    tiny_runner(tmp_path, hook, Line(**wide), iters=2).train()
    before = (tmp_path / "iter_2.pth").read_bytes()
    runner = tiny_runner(tmp_path, hook, Line(**wide), iters=4, resume=True)
    with disk_full_above(500_000), pytest.raises(OSError) as caught:
        runner.train()
    message = str(caught.value)
    assert "iter_4.pth was not saved (File too large)" in message
    assert "MiB are free" in message and "--resume" in message
    assert {p.name for p in tmp_path.glob("*.pth*")} == {"iter_2.pth"}
    assert (tmp_path / "iter_2.pth").read_bytes() == before
    # Once there is room, it goes on.
    runner = tiny_runner(tmp_path, hook, Line(**wide), iters=4, resume=True)
    runner.train()
    assert runner.iter == 4 and (tmp_path / "iter_4.pth").exists()


def test_a_file_keeps_its_old_content_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "model.pth"
    AtomicBackend().put(b"old", path)
    with disk_full_above(1000), pytest.raises(OSError):
        AtomicBackend().put(b"x" * 2000, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.pth"]


class _Diverge(Line):
    """Its loss is NaN from the third step on."""

    steps = 0

    def forward(self, x, y, mode="tensor"):
        losses = super().forward(x, y, mode)
        self.steps += 1
        return {
            k: v * (float("nan") if self.steps > 2 else 1) for k, v in losses.items()
        }


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    with pytest.raises(FloatingPointError, match="loss is nan at iteration 3"):
        tiny_runner(tmp_path, dict(interval=1), model=_Diverge()).train()
    saved = torch.load(tmp_path / "iter_2.pth")["state_dict"]
    assert all(value.isfinite().all() for value in saved.values())
    assert not (tmp_path / "iter_3.pth").exists()
