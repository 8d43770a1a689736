"""Real files: PP-TinyPose's trained weights, and networks as other code saved them."""

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.checkpoints import (
    convert,
    is_folded,
    load_checkpoint,
    load_weights,
    weights_of,
)
from tests.models.backbones.reference import difference
from tests.running import ROOT
from tests.tools import load_tool

SHARED = ROOT.parent / "shared"
TINYPOSE = SHARED / "weights/tinypose_enhance_256x192.pdparams"
RECIPES = "configs/pose/recipes/tinypose_"
GOLDEN = {
    "lite_18": "paddledetection_litehrnet_18_coco_256x192",
    "wider_naive": "paddledetection_wider_naive_litehrnet_18_coco_256x192",
}


def needs(path):
    return pytest.mark.skipif(not path.exists(), reason=f"needs {path.name} in shared")


def build(config):
    return network_from_config(Config.fromfile(ROOT / config)).eval()


@pytest.mark.parametrize("name, config", GOLDEN.items(), ids=GOLDEN)
@needs(SHARED / "golden")
def test_paddledetections_files_give_its_heatmaps(name, config):
    model = build(f"configs/pose/evaluation/{config}.py")
    load_weights(model, SHARED / f"golden/paddledetection_{name}.pdparams")
    assert not is_folded(model.backbone)
    with np.load(SHARED / f"golden/paddledetection_{name}_io.npz") as golden:
        x, expected = (torch.from_numpy(golden[key]) for key in "xy")
    with torch.no_grad():
        assert difference(model(x, None, mode="tensor"), expected) <= 1e-5


@needs(SHARED / "golden")
def test_intels_layout_is_known():
    path = SHARED / "golden/otx_lite_hrnet_x.pth"
    found = convert(weights_of(load_checkpoint(path)))
    assert found.layout.name.startswith("Intel") and not found.dropped
    assert all(name.startswith("backbone.") for name in found.weights)


@needs(TINYPOSE)
def test_a_deployed_model_and_the_configs_of_its_publisher_are_recognised():
    tool = load_tool("convert_checkpoint")
    found = convert(weights_of(load_checkpoint(TINYPOSE, raw=True)))
    for name, words in (
        (f"{RECIPES}128x96_aic-coco.py", "as its publisher's tinypose_128x96_aic-coco"),
        (f"{RECIPES}256x192_aic-coco.py", "as its publisher's tinypose_256x192_aic"),
        ("configs/pose/wider_naive_litehrnet_18_coco_256x192.py", "otherwise than the"),
    ):
        assert tool.fits(build(name), found.weights)
        told = tool.describe(ROOT / name, found)
        assert told.startswith(f"loads strictly into {name}, ") and words in told
    model = build(f"{RECIPES}256x192_aic-coco.py")
    assert not is_folded(model.backbone)  # new
    load_weights(model, TINYPOSE)
    assert is_folded(model.backbone)
