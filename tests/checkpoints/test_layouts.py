"""Weights of each layout give the same outputs after conversion."""

import copy
import json
import re

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.models.backbones.litehrnet import LiteHRNet as MMPoseLiteHRNet
from mmseg.models.backbones.hrnet import HRNet as MMSegHRNet
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.checkpoints import convert, load_checkpoint, load_weights
from mmlitehrnet.models import LiteHRNet, SmallHRNet
from tests.checkpoints.files import paddle_arrays, write_pdparams
from tests.models.backbones.reference import difference, images, sane_weights
from tests.models.backbones.test_small_hrnet import EXTRAS
from tests.models.deployed.networks import table
from tests.running import ROOT
from tests.tools import run_tool

GOLDEN = ROOT / "tests/data/ditehrnet_tiny_official.npz"
LITE = ROOT / "configs/pose/litehrnet_18_coco_256x192.py"
POSE = """
_base_ = "{base}"
model = dict(backbone=dict(_delete_=True, {backbone}), head=dict(in_channels={width}))
"""
#: What timm's classifier has besides.
CLASSIFIER = ("incre_modules.0.0.conv1.weight", "downsamp_modules.0.0.bias")
CLASSIFIER += ("final_layer.0.weight", "classifier.bias")
TINY = dict(table(num_blocks=1), with_head=True)


class AuthorsPose(nn.Module):
    """A pose network under the names of MMPose 0.x."""

    def __init__(self, backbone, width):
        super().__init__()
        self.backbone = backbone
        self.keypoint_head = nn.ModuleDict(dict(final_layer=nn.Conv2d(width, 17, 1)))

    def forward(self, x):
        return self.keypoint_head["final_layer"](self.backbone(x)[0])


class AuthorsSeg(nn.Module):
    """What HRNet-Semantic-Segmentation computes, under its names: HRNetV2."""

    def __init__(self, arch):
        super().__init__()
        self.net = [MMSegHRNet(copy.deepcopy(EXTRAS[arch]))]  # Without its name.
        for name, module in self.net[0].named_children():
            self.add_module(name, module)
        width = sum(EXTRAS[arch]["stage4"]["num_channels"])
        self.last_layer = nn.Sequential(
            nn.Conv2d(width, width, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 19, 1),
        )

    def forward(self, x):
        maps = self.net[0](x)
        size = maps[0].shape[2:]
        maps = [F.interpolate(m, size, mode="bilinear") for m in maps]
        return self.last_layer(torch.cat(maps, 1))


@pytest.fixture(scope="module")
def lite_config(tmp_path_factory):
    path = tmp_path_factory.mktemp("lite") / "tiny.py"
    backbone = f"type='LiteHRNet', extra={TINY!r}"
    path.write_text(POSE.format(base=LITE, backbone=backbone, width=16))
    return path


@pytest.fixture(scope="module")
def authors_lite():
    return sane_weights(AuthorsPose(MMPoseLiteHRNet(copy.deepcopy(TINY)), 16)).eval()


def converted(weights, config, folder):
    """Convert weights by the tool, and load them into the config's model."""
    source, out = folder / "theirs.pth", folder / "ours.pth"
    torch.save(dict(state_dict=weights, meta=dict(epoch=210)), source)
    assert run_tool("convert_checkpoint", source, out, "--config", config) == 0
    model = network_from_config(Config.fromfile(config)).eval()
    # Weights of any origin are data: torch's own strict loading takes the file.
    model.load_state_dict(torch.load(out, weights_only=True)["state_dict"], strict=True)
    return model


@pytest.mark.parametrize("head, prefix", [("keypoint_head.", ""), ("head.", "module.")])
def test_lite_hrnet(authors_lite, lite_config, head, prefix, tmp_path, capsys):
    """The authors' layout, and OpenMMLab's."""
    old = {
        prefix + name.replace("keypoint_head.", head): value
        for name, value in authors_lite.state_dict().items()
    }
    model = converted(old, lite_config, tmp_path)
    x = images(2, 3, 64, 96)
    with torch.no_grad():
        ours, theirs = model(x, None, mode="tensor"), authors_lite(x)
    assert torch.equal(ours, theirs)
    report = capsys.readouterr().out
    bare = [name.removeprefix("module.") for name in old]
    renamed = [name for name in bare if not name.startswith(("backbone.", "head."))]
    assert all(f"{name} -> " in report for name in renamed)
    assert f"renamed: {len(renamed)}, dropped: 0" in report


def test_dite_hrnet(tmp_path, capsys):
    """The released code's weights give the released code's output."""
    with np.load(GOLDEN) as file:
        golden = {key: file[key] for key in file.files}
    extra = json.loads(str(golden["config"]))
    expected = torch.from_numpy(golden["output"])
    head = nn.Conv2d(expected.shape[1], 17, 1)
    old = {f"keypoint_head.final_layer.{k}": v for k, v in head.state_dict().items()}
    for key, value in golden.items():
        if key.startswith("state_dict/"):
            name = key.removeprefix("state_dict/")
            old[f"backbone.{name}"] = torch.from_numpy(value)
    config = tmp_path / "tiny.py"
    backbone = f"type='DiteHRNet', context_pooling='official', extra={extra!r}"
    config.write_text(POSE.format(base=LITE, backbone=backbone, width=head.in_channels))
    model = converted(old, config, tmp_path)
    with torch.no_grad():
        ours = model(torch.from_numpy(golden["input"]), None, mode="tensor")
        assert difference(ours, head(expected)) <= 1e-5
    report = capsys.readouterr().out
    assert "layout: Dite-HRNet's authors" in report
    assert "context_pooling='official'" in report


def test_hrnet_semantic_segmentation(tmp_path, capsys):
    theirs = sane_weights(AuthorsSeg("w18_v2")).eval()
    old = {f"module.model.{name}": k for name, k in theirs.state_dict().items()}
    old["module.loss.criterion.weight"] = torch.ones(19)
    config = ROOT / "configs/seg/small_hrnet_w18_v2_cityscapes_512x1024.py"
    model = converted(old, config, tmp_path)
    x = images(1, 3, 64, 96)
    with torch.no_grad():
        expected = theirs(x)
        assert difference(model(x, None, mode="tensor"), expected) <= 1e-5
        # The bias that has no place in our head is of consequence.
        theirs.last_layer[0].bias.zero_()
        assert difference(theirs(x), expected) > 1e-2
    lines = capsys.readouterr().out.splitlines()
    for name in old:
        bare = re.escape(re.sub(r"^(module\.|model\.)*", "", name))
        assert any(re.match(rf"{bare} (->|dropped:) ", k) for k in lines)
    assert any("last_layer.0.bias dropped: taken off" in line for line in lines)


def test_a_network_of_paddledetection_gives_the_same_output(
    authors_lite, lite_config, tmp_path, capsys
):
    """Read as it is, and converted by the tool."""
    pdparams, out = tmp_path / "theirs.pdparams", tmp_path / "ours.pth"
    write_pdparams(pdparams, paddle_arrays(authors_lite.state_dict()))
    assert run_tool("convert_checkpoint", pdparams, out, "--config", lite_config) == 0
    report = capsys.readouterr().out
    assert "layout: PaddleDetection" in report and "dropped: 0" in report
    assert "norm._mean -> backbone" in report
    x = images(1, 3, 64, 96)
    for source in (pdparams, out):
        model = network_from_config(Config.fromfile(lite_config)).eval()
        assert load_weights(model, source).exact
        with torch.no_grad():
            assert torch.equal(model(x, None, mode="tensor"), authors_lite(x))


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_backbone_of_paddleseg_starts_a_network(prefix, tmp_path):
    """Alone, or out of a segmentor with a head of any names."""
    own = sane_weights(LiteHRNet(extra=dict(TINY, with_head=False)))
    arrays = paddle_arrays(own.state_dict(), prefix)
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


def test_weights_of_a_backbone_alone_are_converted(tmp_path, capsys):
    """timm has a classifier and all four outputs, the pose network reads one."""
    backbone = SmallHRNet("w16", out_indices=(0, 1, 2, 3)).state_dict()
    path = tmp_path / "a.safetensors"
    save_file({**backbone, **{name: torch.ones(2) for name in CLASSIFIER}}, path)
    config = ROOT / "configs/pose/small_hrnet_w16_coco_256x192.py"
    out = tmp_path / "b.pth"
    assert run_tool("convert_checkpoint", path, out, "--config", config) == 0
    printed = capsys.readouterr().out
    assert "init_cfg" in printed and f"dropped: {len(CLASSIFIER)}" in printed
    kept = load_checkpoint(out)["state_dict"]
    assert kept.keys() == {f"backbone.{name}" for name in backbone}
