"""Configs that start from timm's and Intel's ImageNet weights."""

from pathlib import Path

import pytest
import torch
from mmengine import Config
from safetensors.torch import save_file

from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.checkpoints import zoo
from mmlitehrnet.registry import NETWORKS
from tests.running import ROOT


def other_weights(backbone):
    """Weights of a backbone's shapes that are none that it is initialised with."""
    return {
        key: torch.randn_like(value) if value.is_floating_point() else value + 7
        for key, value in backbone.state_dict().items()
    }


@pytest.mark.parametrize(
    "name, branches",
    [
        ("pose/ablations/small_hrnet_w16_imagenet_coco_256x192", 4),
        ("seg/ablations/small_hrnet_w16_imagenet_cityscapes_512x1024", 4),
        ("seg/ablations/small_hrnet_w18_v2_imagenet_cityscapes_512x1024", 4),
        ("pose/ablations/litehrnet_18_imagenet_coco_256x192", 4),
        ("seg/ablations/litehrnet_18_imagenet_cityscapes_512x1024", 4),
        ("seg/ablations/litehrnet_s_imagenet_cityscapes_512x1024", 3),
        ("seg/ablations/litehrnet_x_imagenet_cityscapes_512x1024", 5),
    ],
)
def test_all_of_the_backbone_comes_from_the_file(name, branches, tmp_path, monkeypatch):
    """In the folder that the config names, or in the cache of the zoo."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cfg = Config.fromfile(ROOT / f"configs/{name}.py")
    maps = dict(with_head=False, out_indices=tuple(range(branches)))
    backbone = cfg.model.backbone
    theirs = other_weights(NETWORKS[backbone.type](backbone.arch, **maps))
    path = Path(backbone.init_cfg.checkpoint)
    if backbone.type == "LiteHRNet":
        url = zoo.models()[str(path).removeprefix("zoo:")]["Weights"]
        path = Path("hub/checkpoints", zoo.published_name(url))
        path.parent.mkdir(parents=True)
        torch.save(theirs, path)
    else:
        path.parent.mkdir(parents=True)
        classifier = ("incre_modules.0.0.conv1.weight", "classifier.weight")
        save_file({**theirs, **{name: torch.ones(2) for name in classifier}}, path)
    model = network_from_config(cfg)
    model.init_weights()
    ours = model.backbone.state_dict()
    # The iterative head is none of an ImageNet network.
    parts = [key for key in ours if not key.startswith("head_layer.")]
    assert len(parts) > 300
    for key in parts:
        assert torch.equal(ours[key], theirs[key]), key
