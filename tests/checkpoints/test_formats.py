"""Files of PaddlePaddle and safetensors are read without either, and run nothing."""

import pickle

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.models.backbones.litehrnet import LiteHRNet as MMPoseLiteHRNet
from safetensors.torch import save_file

from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.checkpoints import (
    CheckpointError,
    UntrustedCheckpointError,
    convert,
    load_checkpoint,
    load_weights,
)
from mmlitehrnet.checkpoints.formats import read_pdparams
from mmlitehrnet.models import LiteHRNet, SmallHRNet
from tests.checkpoints.test_layouts import LITE, POSE, TINY, AuthorsPose
from tests.checkpoints.test_unpickling import HARM
from tests.models.backbones.reference import images, sane_weights
from tests.running import ROOT
from tests.tools import run_tool

NORMS = {"running_mean": "_mean", "running_var": "_variance"}
WEIGHTS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}
#: What timm's classifier has besides.
CLASSIFIER = (
    "incre_modules.0.0.conv1.weight",
    "downsamp_modules.0.0.bias",
    "final_layer.0.weight",
    "classifier.bias",
)


def write_pdparams(path, arrays, protocol=4):
    names = {name: f"conv2d_{i}.w_0" for i, name in enumerate(arrays)}
    content = {**arrays, "StructuredToParameterName@@": names}
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def write_safetensors(path, weights):
    save_file(weights, path)
    return path


def paddle_name(name):
    """The name that PaddleDetection has for a tensor of MMPose's LiteHRNet."""
    parts = name.split(".")
    parts[-1] = NORMS.get(parts[-1], parts[-1])
    name = ".".join("norm" if part == "bn" else part for part in parts)
    return name.replace("keypoint_head.final_layer", "final_conv")


@pytest.fixture(scope="module")
def authors_lite():
    return sane_weights(AuthorsPose(MMPoseLiteHRNet(TINY), 16)).eval()


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.py"
    backbone = f"type='LiteHRNet', extra={TINY!r}"
    path.write_text(POSE.format(base=LITE, backbone=backbone, width=16))
    return path


@pytest.fixture
def pdparams(authors_lite, tmp_path):
    arrays = {
        paddle_name(name): value.numpy()
        for name, value in authors_lite.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    return write_pdparams(tmp_path / "theirs.pdparams", arrays)


def test_a_network_of_paddledetection_gives_the_same_output(
    authors_lite, config, pdparams, tmp_path, capsys
):
    """Read as it is, and converted by the tool."""
    out = tmp_path / "ours.pth"
    assert run_tool("convert_checkpoint", pdparams, out, "--config", config) == 0
    report = capsys.readouterr().out
    assert "layout: PaddleDetection" in report and "dropped: 0" in report
    assert "norm._mean -> backbone" in report
    x = images(1, 3, 64, 96)
    for source in (pdparams, out):
        model = network_from_config(Config.fromfile(config)).eval()
        assert load_weights(model, source).exact
        with torch.no_grad():
            assert torch.equal(model(x, None, mode="tensor"), authors_lite(x))


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_backbone_of_paddleseg_starts_a_network(prefix, tmp_path):
    """Alone, or out of a segmentor with a head of any names."""
    own = sane_weights(LiteHRNet(extra=dict(TINY, with_head=False)))
    arrays = {
        prefix + paddle_name(name): value.numpy()
        for name, value in own.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    head = {"head.cls.weight", "fcn._mean"} if prefix else set()
    arrays |= {name: np.ones(2) for name in head}
    path = write_pdparams(tmp_path / "model.pdparams", arrays)
    found = convert(load_checkpoint(path, raw=True)["state_dict"])
    assert found.layout.name == "PaddleSeg's Lite-HRNet"
    assert found.dropped.keys() == head
    init = dict(type="Pretrained", checkpoint=str(path), prefix="backbone.")
    net = LiteHRNet(extra=dict(TINY, with_head=False), init_cfg=init)
    net.init_weights()
    x = images(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(net.eval()(x)[0], own.eval()(x)[0])


@pytest.mark.parametrize("arch", ["w16", "w18_v2"])
def test_timms_features_start_a_small_hrnet(arch, tmp_path):
    own = sane_weights(SmallHRNet(arch)).state_dict()
    theirs = {**own, **{name: torch.ones(2) for name in CLASSIFIER}}
    path = write_safetensors(tmp_path / "model.safetensors", theirs)
    found = convert(load_checkpoint(path, raw=True)["state_dict"])
    assert sorted(found.dropped) == sorted(CLASSIFIER)
    init = dict(type="Pretrained", checkpoint=str(path), prefix="backbone.")
    net = SmallHRNet(arch, init_cfg=init)
    net.init_weights()
    assert all(torch.equal(value, own[key]) for key, value in net.state_dict().items())


def test_weights_of_a_backbone_alone_are_converted(tmp_path, capsys):
    """timm has all four outputs, the pose network reads one."""
    backbone = SmallHRNet("w16", out_indices=(0, 1, 2, 3)).state_dict()
    path = write_safetensors(tmp_path / "a.safetensors", backbone)
    config = ROOT / "configs/pose/small_hrnet_w16_coco_256x192.py"
    out = tmp_path / "b.pth"
    assert run_tool("convert_checkpoint", path, out, "--config", config) == 0
    assert "init_cfg" in capsys.readouterr().out
    kept = load_checkpoint(out)["state_dict"]
    assert kept.keys() == {f"backbone.{name}" for name in backbone}


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_of_paddle_are_read(protocol, tmp_path):
    arrays = {name: value.numpy() for name, value in WEIGHTS.items()}
    # By what it holds, not by its name.
    path = write_pdparams(tmp_path / "model.bin", arrays, protocol)
    found = load_checkpoint(path, raw=True)["state_dict"]
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[key], value) for key, value in WEIGHTS.items())


def test_pdparams_of_the_other_byte_order_are_read(tmp_path):
    path = tmp_path / "a.pdparams"
    values = np.arange(6, dtype=">f4").reshape(2, 3)
    path.write_bytes(pickle.dumps({"a": values}, protocol=4))
    assert read_pdparams(path)["a"].tolist() == values.tolist()


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("trust", [False, True])
def test_a_harmful_pdparams_runs_nothing(harm, trust, tmp_path):
    """Not even if it is trusted, which is for files of PyTorch."""
    folder = tmp_path / "harmed"
    path = tmp_path / "evil.pdparams"
    path.write_bytes(pickle.dumps({"a": HARM[harm](folder)}, protocol=4))
    with pytest.raises(UntrustedCheckpointError, match="Nothing of it was run"):
        load_checkpoint(path, trust)
    assert not folder.exists()


@pytest.mark.parametrize(
    "content, words",
    [
        ([1, 2], "no dict of arrays"),
        ({"a": [1.0]}, "under 'a' is not .* but a list"),
        ({1: np.ones(2)}, "under 1 is not a named array"),
        ({"a": np.array(["text"])}, "under 'a' is not .* of numbers"),
    ],
)
def test_a_foreign_pickle_is_named(content, words, tmp_path):
    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps(content, protocol=4))
    with pytest.raises(CheckpointError, match=rf"a\.pdparams cannot be read.*{words}"):
        load_checkpoint(path)


@pytest.mark.parametrize("write", [write_pdparams, write_safetensors])
def test_truncated_files_are_named(write, tmp_path):
    weights = {"a": torch.rand(100)}
    if write is write_pdparams:
        weights = {"a": weights["a"].numpy()}
    path = write(tmp_path / "model", weights)
    whole = path.read_bytes()
    for size in range(10, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match="model cannot be read"):
            load_checkpoint(path)


def test_safetensors_are_read(tmp_path):
    path = write_safetensors(tmp_path / "model.pth", {**WEIGHTS, "c": torch.ones(0)})
    found = load_checkpoint(path, raw=True)["state_dict"]
    assert all(torch.equal(found[key], value) for key, value in WEIGHTS.items())
    assert found["c"].shape == (0,)
    with pytest.raises(CheckpointError, match="layout of the checkpoint is not known"):
        load_checkpoint(path)
