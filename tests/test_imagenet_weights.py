"""Configs that start from timm's and Intel's ImageNet weights."""

import pytest
import torch
from mmengine import Config
from safetensors.torch import save_file

from mmlitehrnet import LiteHRNet, SmallHRNet
from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.checkpoints import zoo
from tests.running import ROOT


def other_weights(backbone):
    """Weights of a backbone's shapes that are none that it is initialised with."""
    return {
        key: torch.randn_like(value) if value.is_floating_point() else value + 7
        for key, value in backbone.state_dict().items()
    }


@pytest.mark.parametrize(
    "name, arch, head",
    [
        ("pose/ablations/small_hrnet_w16_imagenet_coco_256x192", "w16", "head."),
        (
            "seg/ablations/small_hrnet_w16_imagenet_cityscapes_512x1024",
            "w16",
            "decode_head.",
        ),
        (
            "seg/ablations/small_hrnet_w18_v2_imagenet_cityscapes_512x1024",
            "w18_v2",
            "decode_head.",
        ),
    ],
)
def test_all_of_the_backbone_comes_from_timms_file(
    name, arch, head, tmp_path, monkeypatch
):
    torch.manual_seed(0)
    theirs = other_weights(SmallHRNet(arch, out_indices=(0, 1, 2, 3)))
    cfg = Config.fromfile(ROOT / f"configs/{name}.py")
    path = tmp_path / cfg.model.backbone.init_cfg.checkpoint
    path.parent.mkdir()
    beside = {
        "incre_modules.0.0.conv1.weight": torch.randn(32, 16, 1, 1),
        "classifier.weight": torch.randn(1000, 16),
    }
    save_file({**theirs, **beside}, path)
    monkeypatch.chdir(tmp_path)
    model = network_from_config(cfg)
    model.init_weights()
    ours = model.backbone.state_dict()
    assert len(ours) > 300
    for key, value in ours.items():
        assert torch.equal(value, theirs[key]), key
    rest = {key for key in model.state_dict() if not key.startswith("backbone.")}
    assert rest and all(key.startswith(head) for key in rest)


@pytest.mark.parametrize(
    "name, arch",
    [
        ("pose/ablations/litehrnet_18_imagenet_coco_256x192", "18"),
        ("seg/ablations/litehrnet_18_imagenet_cityscapes_512x1024", "18"),
        ("seg/ablations/litehrnet_s_imagenet_cityscapes_512x1024", "s"),
        ("seg/ablations/litehrnet_x_imagenet_cityscapes_512x1024", "x"),
    ],
)
def test_all_of_the_backbone_comes_from_intels_file(name, arch, tmp_path, monkeypatch):
    """A file of their layout, in the cache under its published name."""
    torch.manual_seed(0)
    branches = {"s": 3, "x": 5}.get(arch, 4)
    theirs = other_weights(
        LiteHRNet(arch, with_head=False, out_indices=tuple(range(branches)))
    )
    cfg = Config.fromfile(ROOT / f"configs/{name}.py")
    model_of_zoo = cfg.model.backbone.init_cfg.checkpoint.removeprefix("zoo:")
    url = zoo.models()[model_of_zoo]["Weights"]
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub/checkpoints" / zoo.published_name(url)
    path.parent.mkdir(parents=True)
    torch.save(theirs, path)
    model = network_from_config(cfg)
    model.init_weights()
    ours = model.backbone.state_dict()
    parts = [key for key in ours if not key.startswith("head_layer.")]
    assert len(parts) > 900
    for key in parts:
        assert torch.equal(ours[key], theirs[key]), key
