"""Configs that start from timm's and Intel's ImageNet weights."""

from pathlib import Path

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
    "name, cls, arch, branches",
    [
        ("pose/ablations/small_hrnet_w16_imagenet_coco_256x192", SmallHRNet, "w16", 4),
        ("seg/ablations/small_hrnet_w16_imagenet_{}", SmallHRNet, "w16", 4),
        ("seg/ablations/small_hrnet_w18_v2_imagenet_{}", SmallHRNet, "w18_v2", 4),
        ("pose/ablations/litehrnet_18_imagenet_coco_256x192", LiteHRNet, "18", 4),
        ("seg/ablations/litehrnet_18_imagenet_{}", LiteHRNet, "18", 4),
        ("seg/ablations/litehrnet_s_imagenet_{}", LiteHRNet, "s", 3),
        ("seg/ablations/litehrnet_x_imagenet_{}", LiteHRNet, "x", 5),
    ],
)
def test_all_of_the_backbone_comes_from_the_file(
    name, cls, arch, branches, tmp_path, monkeypatch
):
    """In the folder that the config names, or in the cache of the zoo."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    maps = dict(with_head=False, out_indices=tuple(range(branches)))
    theirs = other_weights(cls(arch, **maps))
    cfg = Config.fromfile(ROOT / f"configs/{name.format('cityscapes_512x1024')}.py")
    path = Path(cfg.model.backbone.init_cfg.checkpoint)
    if cls is LiteHRNet:
        url = zoo.models()[str(path).removeprefix("zoo:")]["Weights"]
        path = Path("hub/checkpoints", zoo.published_name(url))
    path.parent.mkdir(parents=True)
    if cls is SmallHRNet:
        classifier = ("incre_modules.0.0.conv1.weight", "classifier.weight")
        save_file({**theirs, **{name: torch.ones(2) for name in classifier}}, path)
    else:
        torch.save(theirs, path)
    model = network_from_config(cfg)
    model.init_weights()
    ours = model.backbone.state_dict()
    # The iterative head is none of an ImageNet network.
    parts = [key for key in ours if not key.startswith("head_layer.")]
    assert len(parts) > 300
    for key in parts:
        assert torch.equal(ours[key], theirs[key]), key
