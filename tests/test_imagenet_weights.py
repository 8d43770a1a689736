"""Configs of Small HRNet that start from timm's ImageNet weights."""

import pytest
import torch
from mmengine import Config
from safetensors.torch import save_file

from mmlitehrnet import SmallHRNet
from mmlitehrnet.apis.model import network_from_config
from tests.running import ROOT


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
    backbone = SmallHRNet(arch, out_indices=(0, 1, 2, 3)).state_dict()
    theirs = {
        key: torch.randn_like(value) if value.is_floating_point() else value + 7
        for key, value in backbone.items()
    }
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
