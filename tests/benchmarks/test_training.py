"""The training benchmark takes real steps and reports what it says."""

import json

import pytest
import torch

from benchmarks.candidates import BASELINE, CANDIDATES, build
from benchmarks.training import MODES, check_mode, training_step
from tests.tools import load_tool

CPU = torch.device("cpu")


@pytest.mark.parametrize("mode", ["eager", "bf16-channels-last"])
def test_steps_train_every_parameter(mode):
    model = build(CANDIDATES["Naive Lite-HRNet-18"])
    before = {k: v.clone() for k, v in model.state_dict().items()}
    step = training_step(model, torch.randn(2, 3, 64, 64), MODES[mode])
    losses = [float(step()) for _ in range(4)]
    assert losses[-1] < losses[0]
    assert model.training
    for name, value in model.named_parameters():
        assert not torch.equal(value, before[name]), name
        if mode.endswith("channels-last") and value.dim() == 4:
            assert value.is_contiguous(memory_format=torch.channels_last)


def test_modes_are_checked():
    assert check_mode("compile", CPU).compiled
    with pytest.raises(ValueError, match="mode must be one of eager, .*got 'int8'"):
        check_mode("int8", CPU)
    with pytest.raises(ValueError, match="mode 'fp16' needs a CUDA device, got 'cpu'"):
        check_mode("fp16", CPU)


def test_table_and_json(tmp_path, capsys):
    arguments = ["--device", "cpu", "--batch", "2", "3", "--size", "64", "32"]
    arguments += ["--modes", "eager", "channels-last", "--out", str(tmp_path)]
    arguments += ["--repetitions", "2", "--warmup", "0", "--threads", "1"]
    load_tool("benchmark_training").main(arguments)
    result = json.loads((tmp_path / "training.json").read_text())
    rows = result["rows"]
    expected = [
        [batch, mode, name]
        for batch in (2, 3)
        for mode in ("eager", "channels-last")
        for name in (BASELINE, "Lite-HRNet-18")
    ]
    assert [[row["batch"], row["mode"], row["network"]] for row in rows] == expected
    for row in rows:
        median = row["timing"]["median"]
        assert row["rate"] == pytest.approx(1e3 * row["batch"] / median)
        assert row["memory"] is None
        assert (row["ratio"] == 1) == (row["network"] == BASELINE)
    assert result["machine"]["device"] == "cpu"
    assert result["machine"]["size"] == "64x32"
    assert (tmp_path / "training.md").read_text() == capsys.readouterr().out


def test_networks_are_built_for_the_size(capsys):
    """RTMPose's head takes one size only."""
    arguments = ["--device", "cpu", "--batch", "2", "--size", "64", "32"]
    arguments += ["--networks", "RTMPose-t", "--modes", "eager"]
    arguments += ["--repetitions", "2", "--warmup", "0", "--threads", "1"]
    load_tool("benchmark_training").main(arguments)
    assert "| 2 | eager | RTMPose-t | " in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--batch", "1"], "argument --batch: 1: must be at least 2"),
        (["--modes", "fp16"], "mode 'fp16' needs a CUDA device"),
    ],
)
def test_bad_arguments_are_named(arguments, message, capsys):
    with pytest.raises(SystemExit):
        load_tool("benchmark_training").parse_args([*arguments, "--device", "cpu"])
    assert message in capsys.readouterr().err
