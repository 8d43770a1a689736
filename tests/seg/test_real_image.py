"""The real Cityscapes image through dataset class, training and evaluation."""

import pytest
from mmengine import Config
from mmengine.runner import Runner

from tests.running import ROOT
from tests.training import on_streets

CONFIG = ROOT / "configs" / "seg" / "litehrnet_18_cityscapes_512x1024.py"
DATA = ROOT.parent / "shared" / "data" / "cityscapes"
#: Height and width of the image.
SIZE = (128, 256)
ITERATIONS = 20

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real image, ../shared/data/cityscapes, is not here"
)


@pytest.mark.slow
def test_learns_the_real_image(tmp_path):
    cfg = Config.fromfile(CONFIG)
    options = on_streets(DATA, SIZE) | {
        "work_dir": str(tmp_path),
        "randomness.seed": 0,
        "train_cfg.max_iters": ITERATIONS,
        "train_cfg.val_interval": 1000,
        "param_scheduler.0.end": 160_000,  # the rate hardly falls
        "default_hooks.checkpoint.save_best": None,
        "train_dataloader.batch_size": 1,
        "train_dataloader.dataset.data_prefix.img_path": "leftImg8bit/val",
        "train_dataloader.dataset.data_prefix.seg_map_path": "gtFine/val",
        "train_dataloader.dataset.pipeline.2.ratio_range": (1.0, 1.0),
        "train_dataloader.dataset.pipeline.4.prob": 0.0,
    }
    cfg.merge_from_dict(options)
    runner = Runner.from_cfg(cfg)
    runner.train()
    scores = runner.test()
    losses = runner.message_hub.get_scalar("train/loss").data[0]
    assert losses[-1] < 0.5 * losses[0]
    assert 0 < scores["mIoU"] <= scores["aAcc"] <= 100
