"""Weights of other code are converted whole or not at all, by one command."""

import pytest
import torch
from mmengine.config import Config

from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.checkpoints import convert
from tests.checkpoints.files import HARM
from tests.robustness.recipes import TINY, WIDTHS
from tests.running import ROOT
from tests.tools import load_tool, run_tool

LITE = ROOT / "configs/pose/litehrnet_18_coco_256x192.py"
TEXT = f"""
_base_ = "{LITE}"
backbone = dict(_delete_=True, type="LiteHRNet", **{TINY["LiteHRNet"]})
model = dict(backbone=backbone, head=dict(in_channels={WIDTHS[0]}))
"""


def build(path):
    return network_from_config(Config.fromfile(path))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights under the names of MMPose 0.x."""
    path = tmp_path_factory.mktemp("config") / "tiny.py"
    path.write_text(TEXT)
    return {
        name.replace("head.final", "keypoint_head.final"): value
        for name, value in build(path).state_dict().items()
    }


@pytest.mark.slow
def test_configs_are_found_by_their_shapes(weights, tmp_path):
    weights = convert(weights).weights
    root = tmp_path / "configs"
    for name in ("outer.py", "deeper/tiny.py", "ablations/same.py", "_base_/same.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(TEXT)
    other = TEXT.replace("in_channels=", "out_channels=16, in_channels=")
    (root / "deeper/other_joints.py").write_text(other)
    found = load_tool("convert_checkpoint").fitting_configs
    assert found(weights, root) == [root / "deeper/tiny.py", root / "outer.py"]
    assert found({**weights, "head.extra": torch.ones(1)}, root) == []
    # An ablation is a network of its own.
    (root / "outer.py").unlink()
    (root / "deeper/tiny.py").unlink()
    assert found(weights, root) == [root / "ablations/same.py"]


def test_unknown_layouts_and_names_are_refused(weights):
    with pytest.raises(ValueError, match="not known.*layer1, fc.*Known are: Dite-HR"):
        convert({"layer1.0.weight": torch.ones(1), "fc.bias": torch.ones(1)})
    assert convert(weights).layout.name.startswith("MMPose 0.x")
    with pytest.raises(ValueError, match="1 of its names.*neck.conv.weight"):
        convert({**weights, "neck.conv.weight": torch.ones(1)})


@pytest.mark.slow
def test_our_config_is_found_for_a_published_file(tmp_path, capsys):
    name = "configs/cls/small_hrnet_w16_in1k.py"  # a folder of few configs
    state = build(ROOT / name).state_dict()
    source = tmp_path / "epoch_210.pth"
    torch.save(dict(state_dict=state, optimizer=dict(lr=1)), source)
    assert run_tool("convert_checkpoint", source, tmp_path / "net", "--publish") == 0
    out = capsys.readouterr().out
    assert f"loads strictly into {name}" in out
    (path,) = tmp_path.glob("net_20*.pth")
    assert f"Wrote {path}" in out
    found = torch.load(path, weights_only=True)
    assert found.keys() == {"state_dict", "meta"}
    assert all(torch.equal(found["state_dict"][key], state[key]) for key in state)


@pytest.mark.parametrize(
    "options, words",
    [(["--config", LITE], "do not fit the model of"), (["--publish"], "holds no wei")],
)
def test_what_is_not_the_networks_is_not_written(
    weights, options, words, tmp_path, capsys
):
    source, out = tmp_path / "theirs.pth", tmp_path / "b.pth"
    if "--publish" in options:
        weights = HARM["system"](tmp_path / "harmed")
    torch.save(dict(state_dict=weights), source)
    assert run_tool("convert_checkpoint", source, out, *options) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]
