"""Machines that differ stop; runs that are restarted lose nothing."""

import json
import re

import pytest
from mmengine.runner import Runner

from tests.engine.two_machines import BEFORE, EPOCHS, TIMEOUT, tiny_config
from tests.running import run_python


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What came of each case, on both machines, and what they printed."""
    folder = tmp_path_factory.mktemp("machines")
    log = run_python("-m", "tests.engine.two_machines", folder, timeout=300).stdout
    files = [folder / str(rank) / "results.json" for rank in range(2)]
    assert all(file.exists() for file in files), log[-3000:]
    return [json.loads(file.read_text()) for file in files], log


@pytest.fixture(scope="module")
def results(runs):
    return runs[0]


def test_machines_need_not_share_what_they_read_and_write(results):
    """Data lie elsewhere, and no working directory is shared to validate."""
    first, second = (result["agreeing"] for result in results)
    assert first == second
    assert (first["epoch"], first["samples"], first["by_disk"]) == (EPOCHS, 6, False)


def test_a_run_that_is_resumed_on_both_machines_ends_as_if_it_had_gone_on(results):
    for result in results:
        assert result["going_on"] == result["agreeing"]


#: case -> what the message says of it
DIFFERENCES = {
    "without_checkpoint": r"the checkpoint is 'epoch_2.pth' on \S+ \(process 0\), None"
    ".* the epoch is 2 .*, 0 on",
    "other_weights": r"check sum of the weights is \d+ on .*, \d+ on",
    "other_rate": r"optim_wrapper.optimizer.lr is 0.001 on \S+ \(process 0\), 0.002 on",
    "other_data": r"samples to train on is 12 .* 11 .*batch size .* is 4 on .*, 3 on",
}


@pytest.mark.parametrize("case, message", DIFFERENCES.items(), ids=DIFFERENCES)
def test_machines_that_differ_stop_before_the_first_step(results, case, message):
    first, second = (result[case] for result in results)
    assert first == second
    assert re.search(message, first)


def test_gloo_takes_the_timeout_of_the_config(results):
    assert TIMEOUT <= results[0]["lost_link"] < 2 * TIMEOUT


def test_the_cause_of_an_end_is_said_last(runs):
    """The other process, which lost its peer, is ended before it says so."""
    last = runs[1].strip().splitlines()[-1]
    assert last.endswith("ValueError: a cause of its own")


def run(work_dir, epochs=EPOCHS, batch_size=4, scaled=False, **changes):
    """Train in this process; give the runner."""
    changes |= {
        "train_cfg.max_epochs": epochs,
        "train_dataloader.batch_size": batch_size,
        "auto_scale_lr.enable": scaled,
    }
    runner = Runner.from_cfg(tiny_config(work_dir, **changes))
    runner.train()
    return runner


def rates(runner):
    (schedule,) = runner.param_schedulers
    return runner.optim_wrapper.get_lr()["lr"], schedule.base_values


def test_the_rate_of_a_resumed_run_fits_its_number_of_samples(tmp_path, capfd):
    """Twice the samples a step, as of twice the processes."""
    run(tmp_path / "a", BEFORE, scaled=True)
    resumed = run(tmp_path / "a", batch_size=8, scaled=True, resume=True)
    assert "4 samples a step, this one has 8" in "".join(capfd.readouterr())
    afresh = run(tmp_path / "b", batch_size=8, scaled=True)
    assert rates(resumed) == rates(afresh)


def test_a_rate_that_does_not_fit_is_told(tmp_path, capfd):
    before = run(tmp_path, BEFORE)
    resumed = run(tmp_path, batch_size=8, resume=True)
    assert rates(resumed)[1] == rates(before)[1]
    said = "".join(capfd.readouterr())
    assert "rate stays as it was; --auto-scale-lr" in said and "it by 2" in said


@pytest.mark.parametrize(
    "variable, named",
    [("RESTART_COUNT", False), ("RESTART_COUNT", True), ("MAX_RESTARTS", False)],
)
def test_a_restart_overwrites_nothing(tmp_path, monkeypatch, variable, named):
    """With what torchrun tells; a checkpoint that is named is for the first start."""
    run(tmp_path, BEFORE)
    first = tmp_path / "epoch_1.pth"
    before = first.stat().st_mtime_ns
    monkeypatch.setenv(f"TORCHELASTIC_{variable}", "1")
    options = dict(resume=True, load_from=str(first)) if named else {}
    runner = run(tmp_path, BEFORE + 1, **options)
    assert runner.epoch == BEFORE + 1
    assert first.stat().st_mtime_ns == before
    assert runner.iter == 4 * (BEFORE + 1)
