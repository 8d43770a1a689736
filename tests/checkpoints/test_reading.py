"""Files of weights are read as a whole; others are named."""

import os

import numpy as np
import pytest
import torch
from torch import nn

from mmlitehrnet.checkpoints import (
    CheckpointError,
    check_file,
    load_checkpoint,
    state_dict_of,
    weights_of,
)
from tests.checkpoints.test_unpickling import HARM
from tests.robustness.tiny_runner import tiny_runner
from tests.running import ROOT
from tests.tools import run_tool


def test_checkpoints_of_mmengine_are_read_as_a_whole(tmp_path):
    schedule = dict(type="OneCycleLR", eta_max=0.01, total_steps=2, by_epoch=False)
    runner = tiny_runner(tmp_path, iters=2, param_scheduler=schedule)
    runner.message_hub.update_info("scores", dict(best=np.float64(0.5), all=np.eye(2)))
    runner.train()
    path = tmp_path / "iter_2.pth"
    ours, theirs = load_checkpoint(path), torch.load(path, weights_only=False)
    assert ours.keys() == theirs.keys()
    for name, value in theirs["state_dict"].items():
        assert torch.equal(ours["state_dict"][name], value)
    assert ours["meta"] == theirs["meta"]
    hubs = ours["message_hub"], theirs["message_hub"]
    assert np.array_equal(hubs[0]["runtime_info"]["scores"]["all"], np.eye(2))
    mine, other = (hub["log_scalars"]["train/loss"].current() for hub in hubs)
    assert mine == other
    # MMEngine saves the schedule's curve, a method, with its state.
    (state,) = ours["param_schedulers"]
    assert state["anneal_func"](0.0, 1.0, 1.0) == 1.0


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "there is no such file"),
        (b"", "is empty"),
        (b"<html>404 Not Found</html>", "no checkpoint of PyTorch"),
        (b"PK\x03\x04 and no more", "truncated or damaged"),
        (b"\x80\x02 and no more", "cannot be read|more than weights"),
    ],
)
def test_other_files_are_named(content, message, tmp_path):
    path = tmp_path / "model.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"model.pth.*({message})"):
        load_checkpoint(path)


def test_programs_are_named(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"model\.pth.*TorchScript"):
        load_checkpoint(tmp_path / "model.pth")


def flip_a_bit(path, value):
    data = bytearray(path.read_bytes())
    data[data.index(value.numpy().tobytes())] ^= 1
    path.write_bytes(data)


def test_altered_files_are_refused_which_pytorch_loads(tmp_path):
    path, value = tmp_path / "model.pth", torch.rand(8)
    torch.save({"a": value}, path)
    check_file(path)
    flip_a_bit(path, value)
    assert not torch.equal(torch.load(path)["a"], value)
    with pytest.raises(CheckpointError, match=r"model\.pth is damaged: .* was altered"):
        load_checkpoint(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "content", [{}, {"meta": {}}, [torch.ones(1)], {"state_dict": [1, 2]}]
)
def test_a_checkpoint_without_weights_is_named(content):
    with pytest.raises(CheckpointError, match=r"model\.pth holds no weights"):
        weights_of(content, "model.pth")


def test_the_wrapper_of_parallel_training_is_taken_off():
    parallel = {"module.a": torch.ones(2)}
    for checkpoint in (parallel, dict(state_dict=parallel, meta={})):
        assert list(state_dict_of(checkpoint)) == ["module.a"]
        assert list(weights_of(checkpoint)) == ["a"]


def test_the_export_runs_nothing_of_a_checkpoint(tmp_path):
    harmed, path = tmp_path / "harmed", tmp_path / "evil.pth"
    torch.save(dict(state_dict=HARM["system"](harmed)), path)
    out = tmp_path / "x.onnx"
    config = ROOT / "configs/pose/litehrnet_18_coco_256x192.py"
    with pytest.raises(SystemExit, match="holds more than weights"):
        run_tool("export_onnx", config, path, "--out", out)
    assert list(tmp_path.iterdir()) == [path]
