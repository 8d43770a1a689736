"""The benchmark of training takes real steps and reports what it says."""

import json

import pytest
import torch

from benchmarks import training
from benchmarks.networks import BASELINE, build
from benchmarks.training import MODES, training_step

SHORT = ["--device", "cpu", "--size", "64x32", "--threads", "1"]
SHORT += ["--repetitions", "2", "--warmup", "0"]


@pytest.mark.parametrize("mode", ["eager", "bf16-channels-last"])
def test_steps_train_every_parameter(mode):
    model = build("Naive Lite-HRNet-18", (64, 64))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    step = training_step(model, torch.randn(2, 3, 64, 64), MODES[mode])
    losses = [float(step()) for _ in range(4)]
    assert losses[-1] < losses[0]
    assert model.training
    for name, value in model.named_parameters():
        assert not torch.equal(value, before[name]), name
        if mode.endswith("channels-last") and value.dim() == 4:
            assert value.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.slow
def test_table_and_json(tmp_path, capsys):
    arguments = ["--batches", "2", "3", "--modes", "channels-last"]
    assert training.main([*SHORT, *arguments, "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "training.json").read_text())
    rows = result["rows"]
    expected = [
        [batch, "channels-last", name]
        for batch in (2, 3)
        for name in (BASELINE, "Lite-HRNet-18")
    ]
    assert [[row["batch"], row["mode"], row["network"]] for row in rows] == expected
    for row in rows:
        median = row["timing"]["median"]
        assert row["rate"] == pytest.approx(1e3 * row["batch"] / median)
        assert row["memory"] > 1
        assert 2000 < row["operators"] < 4000
        assert (row["ratio"] == 1) == (row["network"] == BASELINE)
    assert result["machine"]["device"] == "cpu"
    assert result["machine"]["size"] == "64x32"
    assert (tmp_path / "training.md").read_text() == capsys.readouterr().out


def test_networks_are_built_for_the_size(capsys):
    """RTMPose's head takes one size only."""
    arguments = ["--batches", "2", "--networks", "RTMPose-t", "--modes", "eager"]
    assert training.main([*SHORT, *arguments]) == 0
    assert "| 2 | eager | RTMPose-t | " in capsys.readouterr().out
