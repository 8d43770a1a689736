"""Files of every format are read as a whole; others are named."""

import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mmlitehrnet.checkpoints import (
    CheckpointError,
    load_checkpoint,
    read_file,
    weights_of,
)
from tests.checkpoints.files import HARM, write_pdparams
from tests.robustness.tiny_runner import tiny_runner
from tests.running import ROOT
from tests.tools import run_tool

WEIGHTS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}


def test_pytorch_loads_a_runs_checkpoint_and_we_its_log(tmp_path):
    """By ``weights_only``, its default since 2.6, as scripts that publish it do."""
    runner = tiny_runner(tmp_path, iters=2)
    runner.message_hub.update_info("best", np.float64(0.5))
    points = dict(name="points", sigmas=np.ones(2), names=("left", "right"))
    runner.train_loop.dataloader.dataset.metainfo = points
    runner.train()
    path = tmp_path / "iter_2.pth"
    ours, theirs = load_checkpoint(path), torch.load(path, weights_only=True)
    assert ours.keys() == theirs.keys() and ours["meta"] == theirs["meta"]
    described = dict(name="points", sigmas=[1.0, 1.0], names=("left", "right"))
    assert theirs["meta"]["dataset_meta"] == described
    for name, value in theirs["state_dict"].items():
        assert torch.equal(ours["state_dict"][name], value)
    state = ours["optimizer"]["state"][0]
    assert state["step"] == 2 and torch.is_tensor(state["exp_avg"])
    hub = ours["message_hub"]
    assert hub["runtime_info"]["best"] == 0.5
    history = hub["log_scalars"]["train/loss"]
    written = runner.message_hub.get_scalar("train/loss")
    assert len(history.data[0]) == 2 and np.array_equal(history.data, written.data)
    history.update(1.0)  # It is one that goes on.


@pytest.mark.parametrize("protocol", [2, 4])
def test_arrays_of_paddle_are_read(protocol, tmp_path):
    arrays = {name: value.numpy() for name, value in WEIGHTS.items()}
    arrays["a"] = arrays["a"].astype(">f4")  # as a machine of the other byte order
    # By what it holds, not by its name.
    path = write_pdparams(tmp_path / "model.bin", arrays, protocol)
    found = load_checkpoint(path, raw=True)["state_dict"]
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[key], value) for key, value in WEIGHTS.items())


def test_safetensors_are_read(tmp_path):
    path, weights = tmp_path / "model.pth", {**WEIGHTS, "c": torch.ones(0)}
    save_file(weights, path)
    found = load_checkpoint(path, raw=True)["state_dict"]
    assert all(torch.equal(found[key], value) for key, value in weights.items())
    with pytest.raises(CheckpointError, match="layout of the checkpoint is not known"):
        load_checkpoint(path)


@pytest.mark.parametrize("write", [torch.save, save_file, "pdparams"])
def test_truncated_files_are_named(write, tmp_path):
    path, weights = tmp_path / "model", {"a": torch.rand(100)}
    if write == "pdparams":
        write_pdparams(path, {"a": weights["a"].numpy()})
    else:
        write(weights, path)
    whole = path.read_bytes()
    for size in range(10, len(whole), 23):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match="model (cannot be read|is trunc)"):
            load_checkpoint(path, raw=True)


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "there is no such file"),
        (b"", "is empty"),
        (b"<html>404 Not Found</html>", "no checkpoint of PyTorch"),
        (b"PK\x03\x04 and no more", "truncated or damaged"),
        (b"\x80\x02 and no more", "cannot be read"),
        (pickle.dumps([1, 2], protocol=4), "cannot be read .*no dict of arrays"),
        (torch.jit.script(nn.Linear(2, 2)).save_to_buffer(), "TorchScript"),
    ],
)
def test_other_files_are_named(content, message, tmp_path):
    path = tmp_path / "model.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"model.pth.*{message}"):
        load_checkpoint(path)


def flip_a_bit(path, value):
    data = bytearray(path.read_bytes())
    data[data.index(value.numpy().tobytes())] ^= 1
    path.write_bytes(data)


def test_altered_files_are_refused_which_pytorch_loads(tmp_path):
    path, value = tmp_path / "model.pth", torch.rand(8)
    torch.save({"a": value}, path)
    read_file(path)
    flip_a_bit(path, value)
    assert not torch.equal(torch.load(path)["a"], value)
    with pytest.raises(CheckpointError, match=r"model\.pth is damaged: .* was altered"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [{}, {"meta": {}}, [1], {"state_dict": [1, 2]}])
def test_a_checkpoint_without_weights_is_named(content):
    with pytest.raises(CheckpointError, match=r"model\.pth holds no weights"):
        weights_of(content, "model.pth")


def test_the_export_runs_nothing_of_a_checkpoint(tmp_path):
    harmed, path = tmp_path / "harmed", tmp_path / "evil.pth"
    torch.save(dict(state_dict=HARM["system"](harmed)), path)
    out = tmp_path / "x.onnx"
    config = ROOT / "configs/pose/litehrnet_18_coco_256x192.py"
    with pytest.raises(SystemExit, match="holds no weights"):
        run_tool("export_onnx", config, path, "--out", out)
    assert list(tmp_path.iterdir()) == [path]
