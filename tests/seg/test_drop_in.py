"""An MMSegmentation config with its backbone replaced by ours trains and tests."""

import pytest
import torch
from mmengine import Config
from mmengine.hub import get_config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmlitehrnet.apis.model import network_from_config
from sample_data import make_cityscapes
from tests.robustness.recipes import TINY, WIDTHS
from tests.training import on_streets

BASE = "mmseg::hrnet/fcn_hr18s_4xb2-40k_cityscapes-512x1024.py"
SIZE = (72, 136)
WINDOW = (64, 128)


@pytest.mark.parametrize("pretrained", ["", "pretrained=None,"])
def test_only_the_type_changes_to_small_hrnet(pretrained, tmp_path):
    """The head of the base config wants four maps of HRNet's widths."""
    path = tmp_path / "fcn_small_hrnet.py"
    path.write_text(
        f"_base_ = '{BASE}'\ncustom_imports = dict(imports=['mmlitehrnet'])\n"
        f"model = dict({pretrained} backbone=dict(type='SmallHRNet'))\n"
    )
    model = network_from_config(Config.fromfile(path)).eval()
    logits = model(torch.rand(1, 3, 64, 64), mode="tensor")
    assert logits.shape == (1, 19, 16, 16)


@pytest.mark.slow
def test_trains_and_tests(tmp_path):
    streets = make_cityscapes(tmp_path / "data", 2, 1, size=SIZE, quiet=True)
    cfg = get_config(BASE)
    cfg.merge_from_dict(on_streets(streets, SIZE))
    # A window that the images have no multiple of.
    cfg.merge_from_dict({"train_dataloader.dataset.pipeline.3.crop_size": WINDOW})
    cfg.model.data_preprocessor.size = WINDOW
    cfg.model.pretrained = None
    maps = dict(with_head=False, out_indices=(0, 1, 2, 3))
    cfg.model.backbone = dict(type="DiteHRNet", **TINY["DiteHRNet"], **maps)
    cfg.model.decode_head.in_channels = list(WIDTHS)
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.train_dataloader.batch_size = 2
    cfg.work_dir = str(tmp_path / "work")
    init_default_scope("mmseg")
    Runner.from_cfg(cfg).train()

    cfg.load_from = f"{cfg.work_dir}/iter_2.pth"
    cfg.model.test_cfg = dict(mode="slide", crop_size=WINDOW, stride=(43, 85))
    assert 0 <= Runner.from_cfg(cfg).test()["mIoU"] <= 100
    # As `mim test --tta` does it: scales of 0.5 to 1.75, each mirrored too.
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.model = dict(**cfg.tta_model, module=cfg.model)
    assert 0 <= Runner.from_cfg(cfg).test()["mIoU"] <= 100
