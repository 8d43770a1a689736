"""An MMSegmentation config with its backbone replaced by ours trains and tests."""

import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmlitehrnet.apis.model import network_from_config
from sample_data import make_cityscapes

BASE = "mmseg::hrnet/fcn_hr18s_4xb2-40k_cityscapes-512x1024.py"
SIZE = (72, 136)
WINDOW = (64, 128)
ALL = "out_indices=(0, 1, 2, 3)"

# Backbone -> its arguments in the config, the head's input widths.
REPLACEMENTS = {
    "LiteHRNet": (f"arch='18', with_head=False, {ALL}", [40, 80, 160, 320]),
    "DiteHRNet": (f"arch='18', with_head=False, {ALL}", [40, 80, 160, 320]),
    "SmallHRNet": (f"arch='w18_v2', upsample='bilinear', {ALL}", [18, 36, 72, 144]),
}
CONFIG = """\
_base_ = "{base}"
custom_imports = dict(imports=["mmlitehrnet"], allow_failed_imports=False)
model = dict(
    pretrained=None,
    backbone=dict(_delete_=True, type="{name}", {args}),
    decode_head=dict(in_channels={widths}),
)
"""


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streets") / "data"
    return make_cityscapes(folder, 2, 2, size=SIZE, quiet=True)


def small_run(cfg, data_root, work_dir):
    """Make a config run two iterations on tiny images."""
    cfg.work_dir = str(work_dir)
    cfg.model.data_preprocessor.size = WINDOW
    options = {
        "train_cfg.max_iters": 2,
        "train_cfg.val_interval": 2,
        "train_dataloader.batch_size": 2,
        "train_dataloader.dataset.pipeline.2.scale": SIZE[::-1],
        "train_dataloader.dataset.pipeline.3.crop_size": WINDOW,
        "test_dataloader.dataset.pipeline.1.scale": SIZE[::-1],
        "val_dataloader.dataset.pipeline.1.scale": SIZE[::-1],
    }
    for part in ("train", "val", "test"):
        options[f"{part}_dataloader.num_workers"] = 0
        options[f"{part}_dataloader.persistent_workers"] = False
        options[f"{part}_dataloader.dataset.data_root"] = str(data_root)
    cfg.merge_from_dict(options)
    return cfg


def scores_of(cfg):
    cfg.load_from = f"{cfg.work_dir}/iter_2.pth"
    return Runner.from_cfg(cfg).test()


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


@pytest.mark.parametrize("name", REPLACEMENTS)
def test_trains_and_tests(name, streets, tmp_path):
    args, widths = REPLACEMENTS[name]
    text = CONFIG.format(base=BASE, name=name, args=args, widths=widths)
    path = tmp_path / f"fcn_{name.lower()}.py"
    path.write_text(text)
    cfg = small_run(Config.fromfile(path), streets, tmp_path / "work")
    init_default_scope("mmseg")
    Runner.from_cfg(cfg).train()

    whole = scores_of(cfg.copy())
    assert 0 <= whole["mIoU"] <= 100
    slide = cfg.copy()
    slide.model.test_cfg = dict(mode="slide", crop_size=WINDOW, stride=(43, 85))
    assert 0 <= scores_of(slide)["mIoU"] <= 100
    # As `mim test --tta` does it: scales of 0.5 to 1.75, each mirrored too.
    flip = cfg.copy()
    flip.test_dataloader.dataset.pipeline = flip.tta_pipeline
    flip.model = dict(**flip.tta_model, module=flip.model)
    assert 0 <= scores_of(flip)["mIoU"] <= 100
