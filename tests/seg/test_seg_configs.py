"""The Cityscapes configs: cost and recipe."""

import pytest
from mmengine import Config

from counting import call_on, count_parameters, paper_flops
from mmlitehrnet.apis.model import network_from_config
from tests.running import ROOT

CONFIGS = sorted((ROOT / "configs/seg").glob("*_cityscapes_512x1024.py"))
#: What the Lite-HRNet paper prints: million parameters, GFLOPs at 512x1024.
PAPER = {
    "litehrnet_18": (1.1, 1.95),
    "litehrnet_30": (1.8, 3.02),
    "small_hrnet_w16": (2.0, 7.8),
}


@pytest.mark.parametrize("name", PAPER)
def test_costs_at_most_what_the_paper_prints(name):
    """To a twentieth; test_configs.py compares with the metafile."""
    cfg = Config.fromfile(ROOT / f"configs/seg/{name}_cityscapes_512x1024.py")
    model = network_from_config(cfg)
    params, flops = PAPER[name]
    assert sum(count_parameters(model).values()) / 1e6 <= 1.05 * params
    found = paper_flops(model, call_on(model, (512, 1024)))
    assert sum(found.values()) / 2**30 <= 1.05 * flops


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_recipe_is_the_papers(path):
    cfg = Config.fromfile(path)
    assert cfg.optim_wrapper.optimizer == dict(
        type="SGD", lr=1e-2, momentum=0.9, weight_decay=5e-4
    )
    (poly,) = cfg.param_scheduler
    assert (poly.type, poly.power) == ("PolyLR", 0.9)
    assert cfg.train_cfg.max_iters == 160_000
    assert 4 * cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size
    assert cfg.auto_scale_lr.base_batch_size == 16

    steps = {s.type: s for s in cfg.train_dataloader.dataset.pipeline}
    assert steps["RandomResize"].scale == (2048, 1024)
    assert steps["RandomResize"].ratio_range == (0.5, 2.0)
    assert steps["RandomCrop"].crop_size == (512, 1024)
    assert cfg.model.data_preprocessor.size == (512, 1024)
    assert steps["RandomFlip"].prob == 0.5

    assert cfg.model.get("pretrained") is None
    assert cfg.model.test_cfg == dict(mode="whole")
    assert cfg.test_dataloader.dataset.pipeline[1].scale == (1024, 512)
    assert cfg.val_dataloader == cfg.test_dataloader
    for part in (cfg.model.backbone, cfg.model.decode_head):
        assert part.norm_cfg.type == "SyncBN"
