"""Checkpoints of other code give the same outputs after conversion."""

import copy
import json
import os
import re
from hashlib import sha256

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.models.backbones.litehrnet import LiteHRNet as MMPoseLiteHRNet
from mmseg.models.backbones.hrnet import HRNet as MMSegHRNet
from torch import nn
from torch.nn import functional as F

from mmlitehrnet import SmallHRNet
from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.checkpoints import (
    compare_weights,
    explain,
    load_checkpoint,
    weights_of,
)
from mmlitehrnet.checkpoints.conversion import (
    convert,
    find_layout,
    fitting_configs,
)
from mmlitehrnet.checkpoints.publishing import publish
from tests.models.backbones.reference import difference, images, sane_weights
from tests.running import ROOT
from tests.tools import run_tool

GOLDEN = ROOT / "tests/data/ditehrnet_tiny_official.npz"
LITE = ROOT / "configs/pose/litehrnet_18_coco_256x192.py"
POSE = """
_base_ = "{base}"
model = dict(backbone=dict(_delete_=True, {backbone}), head=dict(in_channels={width}))
"""
WIDTHS = (16, 32, 64, 128)
TINY = dict(
    stem=dict(stem_channels=16, out_channels=16, expand_ratio=1),
    num_stages=3,
    stages_spec=dict(
        num_modules=(1, 1, 1),
        num_branches=(2, 3, 4),
        num_blocks=(1, 1, 1),
        module_type=("LITE",) * 3,
        with_fuse=(True,) * 3,
        reduce_ratios=(8, 8, 8),
        num_channels=(WIDTHS[:2], WIDTHS[:3], WIDTHS),
    ),
    with_head=True,
)


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
        net = MMSegHRNet(copy.deepcopy(SmallHRNet.archs[arch]))
        for name, module in net.named_children():
            self.add_module(name, module)
        self.net = [net]  # Without its names.
        width = sum(SmallHRNet.archs[arch]["stage4"]["num_channels"])
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


def save(path, state_dict, **kwargs):
    torch.save(dict(state_dict=state_dict, meta=dict(epoch=210), **kwargs), path)
    return path


def converted(source, config, out, *options):
    """Convert by the tool, and load the result into the config's model."""
    assert (
        run_tool("convert_checkpoint", source, out, "--config", config, *options) == 0
    )
    cfg = Config.fromfile(config)
    model = network_from_config(cfg).eval()
    # Weights of any origin are data: torch's own strict loading takes the file.
    model.load_state_dict(torch.load(out, weights_only=True)["state_dict"], strict=True)
    return model


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("head", ["keypoint_head.", "head."])
def test_lite_hrnet(authors_lite, lite_config, head, prefix, tmp_path, capsys):
    """The authors' layout, and OpenMMLab's."""
    old = {
        prefix + name.replace("keypoint_head.", head): value
        for name, value in authors_lite.state_dict().items()
    }
    source = save(tmp_path / "theirs.pth", old)
    model = converted(source, lite_config, tmp_path / "ours.pth")
    x = images(2, 3, 64, 96)
    with torch.no_grad():
        ours, theirs = model(x, None, mode="tensor"), authors_lite(x)
    assert torch.equal(ours, theirs)
    report = capsys.readouterr().out
    renamed = [name for name in old if not name.startswith(("backbone.", "head."))]
    for name in renamed:
        assert f"{name} -> " in report
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
    model = converted(save(tmp_path / "a.pth", old), config, tmp_path / "b.pth")
    with torch.no_grad():
        ours = model(torch.from_numpy(golden["input"]), None, mode="tensor")
        assert difference(ours, head(expected)) <= 1e-5
    report = capsys.readouterr().out
    assert "layout: Dite-HRNet's authors" in report
    assert "context_pooling='official'" in report


@pytest.mark.parametrize("arch, prefix", [("w16", ""), ("w18_v2", "module.model.")])
def test_hrnet_semantic_segmentation(arch, prefix, tmp_path, capsys):
    theirs = sane_weights(AuthorsSeg(arch)).eval()
    old = {prefix + name: value for name, value in theirs.state_dict().items()}
    if prefix:
        old["module.loss.criterion.weight"] = torch.ones(19)
    config = ROOT / f"configs/seg/small_hrnet_{arch}_cityscapes_512x1024.py"
    model = converted(save(tmp_path / "a.pth", old), config, tmp_path / "b.pth")
    x = images(1, 3, 64, 96)
    with torch.no_grad():
        expected = theirs(x)
        assert difference(model(x, None, mode="tensor"), expected) <= 1e-5
        # The bias that has no place in our head is of consequence.
        theirs.last_layer[0].bias.zero_()
        assert difference(theirs(x), expected) > 1e-2
    lines = capsys.readouterr().out.splitlines()
    for name in old:
        assert any(re.match(rf"{re.escape(name)} (->|dropped:) ", k) for k in lines)
    assert any("last_layer.0.bias taken off" in line for line in lines)


def test_mmsegmentation_layout_is_kept(tmp_path):
    config = ROOT / "configs/seg/litehrnet_18_cityscapes_512x1024.py"
    own = network_from_config(Config.fromfile(config)).state_dict()
    model = converted(save(tmp_path / "a.pth", own), config, tmp_path / "b.pth")
    for name, value in model.state_dict().items():
        assert torch.equal(value, own[name])


def test_configs_are_found_by_their_shapes(authors_lite, lite_config, tmp_path):
    weights = convert(authors_lite.state_dict()).weights
    folder = tmp_path / "configs/deeper"
    folder.mkdir(parents=True)
    text = lite_config.read_text()
    (folder / "tiny.py").write_text(text)
    (folder.parent / "full.py").write_text(f'_base_ = "{LITE}"')
    other = text.replace("in_channels=16", "in_channels=16, out_channels=16")
    (folder.parent / "other_joints.py").write_text(other)
    assert fitting_configs(weights, folder.parent) == [folder / "tiny.py"]
    other_weights = {**weights, "head.extra": torch.ones(1)}
    assert fitting_configs(other_weights, folder.parent) == []
    (folder.parent / "outer.py").write_text(text)
    assert fitting_configs(weights, folder.parent) == [folder.parent / "outer.py"]


def test_unknown_layouts_and_names_are_refused(authors_lite):
    with pytest.raises(
        ValueError, match="not known.*layer1, fc.*Known are: Dite-HRNet"
    ):
        convert({"layer1.0.weight": torch.ones(1), "fc.bias": torch.ones(1)})
    weights = dict(authors_lite.state_dict())
    assert find_layout(weights).name.startswith("MMPose 0.x")
    weights["neck.conv.weight"] = torch.ones(1)
    with pytest.raises(ValueError, match="1 of its names.*neck.conv.weight"):
        convert(weights)


def test_only_an_exact_fit_is_one(authors_lite, lite_config):
    model = network_from_config(Config.fromfile(lite_config))
    weights = convert(authors_lite.state_dict()).weights
    assert compare_weights(model, weights).exact
    more = {**weights, "head.final_layer.biases": torch.ones(17)}
    found = compare_weights(model, more)
    assert found.complete and not found.exact
    assert "1 of its tensors have no place in the model: head.final" in explain(found)
    del weights["head.final_layer.bias"]
    assert not compare_weights(model, weights).complete


def test_weights_of_another_network_are_not_written(
    authors_lite, lite_config, tmp_path, capsys
):
    source = save(tmp_path / "a.pth", authors_lite.state_dict())
    out = tmp_path / "b.pth"
    args = (source, out, "--config", LITE)
    assert run_tool("convert_checkpoint", *args) == 2
    assert "do not fit the model of" in capsys.readouterr().err
    assert not out.exists()


def test_nothing_is_overwritten(authors_lite, lite_config, tmp_path, capsys):
    source = save(tmp_path / "a.pth", authors_lite.state_dict())
    out = tmp_path / "b.pth"
    out.write_text("precious")
    args = (source, out, "--config", lite_config)
    assert run_tool("convert_checkpoint", *args) == 2
    assert f"{out} exists" in capsys.readouterr().err
    assert out.read_text() == "precious"

    path = publish(source, tmp_path / "name")
    before = path.read_bytes()
    assert run_tool("publish", source, tmp_path / "name") == 2
    assert f"{path} exists" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_folder_is_no_name_of_a_file(tmp_path, capsys):
    source = save(tmp_path / "epoch_3.pth", {"a": torch.ones(1)})
    folder = tmp_path / "models"
    folder.mkdir()
    assert run_tool("publish", source, folder) == 2
    words = f"{folder} is a folder: give the start of the file's name too, as "
    assert words + str(folder / "epoch_3") in capsys.readouterr().err
    assert {path.name for path in tmp_path.rglob("*")} == {"epoch_3.pth", "models"}


def test_published_file_is_weights_and_names_its_hash(tmp_path):
    weights = {"backbone.a": torch.rand(1000)[::500], "head.b": torch.tensor(1)}
    meta = dict(
        epoch=3,
        cfg="secret = '/home/me'",
        dataset_meta=dict(classes=("road",), sigmas=np.array([0.5, 1.0])),
    )
    source = tmp_path / "epoch_3.pth"
    torch.save(dict(state_dict=weights, meta=meta, optimizer=dict(lr=1)), source)
    path = publish(source, tmp_path / "models" / "net.pth")
    assert re.fullmatch(r"net_20\d{6}-[0-9a-f]{8}\.pth", path.name)
    content = path.read_bytes()
    assert path.stem.endswith(sha256(content).hexdigest()[:8])
    assert b"secret" not in content
    # Only the two values of the slice, not the 1000 that it is cut from.
    assert len(content) < 3000
    found = torch.load(path, weights_only=True)
    assert found.keys() == {"state_dict", "meta"}
    assert found["meta"] == dict(dataset_meta=dict(classes=["road"], sigmas=[0.5, 1.0]))
    for name, value in weights.items():
        assert torch.equal(found["state_dict"][name], value)


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("zipped", [True, False])
def test_malicious_checkpoints_run_nothing(zipped, lite_config, tmp_path, capsys):
    target = tmp_path / "executed"
    source = tmp_path / "a.pth"
    content = dict(state_dict={"backbone.a": torch.ones(1)}, meta=Malicious(target))
    torch.save(content, source, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="mkdir"):
        load_checkpoint(source)
    out = (tmp_path / "b.pth", "--config", lite_config)
    assert run_tool("convert_checkpoint", source, *out) == 2
    assert run_tool("publish", source, tmp_path / "b") == 2
    assert "holds more than weights" in capsys.readouterr().err
    assert not target.exists()
    assert list(tmp_path.iterdir()) == [source]
    # It would have, had it been loaded as usual.
    torch.load(source, weights_only=False)
    assert target.exists()


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "a.pth"),
        (b"<html>404 Not Found</html>", "a.pth"),
        (dict(state_dict=[1, 2]), "holds no weights"),
        (dict(epoch=3), "holds no weights"),
        ([torch.ones(1)], "holds no weights"),
    ],
)
def test_files_that_are_no_checkpoints(content, words, tmp_path):
    path = tmp_path / "a.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=words):
        weights_of(load_checkpoint(path), str(path))
    assert run_tool("convert_checkpoint", path, tmp_path / "b.pth") == 2
    assert run_tool("publish", path, tmp_path / "b") == 2
    assert list(tmp_path.iterdir()) == [path]


def test_bare_state_dict(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"module.a": torch.ones(2)}, path)
    found = torch.load(publish(path, tmp_path / "b"), weights_only=True)
    assert torch.equal(found["state_dict"]["a"], torch.ones(2))


def test_missing_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        load_checkpoint(tmp_path / "none.pth")
