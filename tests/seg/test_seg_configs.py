"""The Cityscapes configs: cost, recipe, training step, whole and sliding prediction."""

from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.structures import PixelData

from complexity import call_on, count_parameters, paper_flops
from mmlitehrnet.apis.model import network_from_config

ROOT = Path(__file__).parents[2] / "configs" / "seg"
SUFFIX = "_cityscapes_512x1024"
CONFIGS = sorted(path.stem for path in ROOT.glob(f"*{SUFFIX}.py"))
GIBI = 2**30

# Parameters and GFLOPs in the paper's convention at 512x1024.
COSTS = {
    "litehrnet_18": (955_111, 1.978),
    "litehrnet_30": (1_588_059, 3.164),
    "naive_litehrnet_18": (660_557, 1.959),
    "ditehrnet_18": (1_011_275, 2.026),
    "ditehrnet_30": (1_686_891, 3.275),
    "small_hrnet_w16": (1_540_579, 7.876),
    "small_hrnet_w18_v2": (3_939_309, 18.095),
}
# What the Lite-HRNet paper prints: million parameters, GFLOPs.
PAPER = {
    "litehrnet_18": (1.1, 1.95),
    "litehrnet_30": (1.8, 3.02),
    "small_hrnet_w16": (2.0, 7.8),
}


def load(name):
    return Config.fromfile(ROOT / f"{name}.py")


def build(cfg, size):
    cfg.model.data_preprocessor.size = size
    torch.manual_seed(0)
    return network_from_config(cfg)


def batch(height, width):
    """An image with labels."""
    from mmseg.structures import SegDataSample

    size = (height, width)
    sample = SegDataSample(
        gt_sem_seg=PixelData(data=torch.randint(19, (1, *size))),
        metainfo=dict(img_shape=size, ori_shape=size, img_path="street.png"),
    )
    return dict(inputs=[torch.randint(256, (3, *size)).byte()], data_samples=[sample])


def predict(model, data):
    model.eval()
    with torch.no_grad():
        return model(**model.data_preprocessor(data, training=False), mode="predict")


def test_every_network_of_the_issue_has_a_config():
    assert CONFIGS == sorted(f"{name}{SUFFIX}" for name in COSTS)


@pytest.mark.parametrize("name", COSTS)
def test_costs_what_the_documentation_says(name):
    model = network_from_config(load(name + SUFFIX))
    params = sum(count_parameters(model).values())
    flops = sum(paper_flops(model, call_on(model, (512, 1024))).values()) / GIBI
    assert (params, round(flops, 3)) == COSTS[name]
    if name in PAPER:
        printed_params, printed_flops = PAPER[name]
        assert params / 1e6 <= 1.05 * printed_params
        assert flops <= 1.05 * printed_flops


def test_whole_and_sliding_prediction_of_odd_sizes():
    model = build(load("ditehrnet_18" + SUFFIX), (64, 128))
    data = batch(75, 141)
    (whole,) = predict(model, data)
    assert whole.pred_sem_seg.data.shape == (1, 75, 141)
    assert whole.seg_logits.data.shape == (19, 75, 141)
    # One window that holds everything is the whole image.
    model.test_cfg.update(mode="slide", crop_size=(75, 141), stride=(50, 94))
    (one,) = predict(model, data)
    torch.testing.assert_close(one.seg_logits.data, whole.seg_logits.data)
    model.test_cfg.update(crop_size=(64, 64), stride=(43, 43))
    (many,) = predict(model, data)
    assert many.seg_logits.data.shape == (19, 75, 141)
    assert not torch.equal(many.seg_logits.data, whole.seg_logits.data)


@pytest.mark.parametrize("name", CONFIGS)
def test_recipe_is_the_papers(name):
    cfg = load(name)
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
