"""A detector's config trains and is tested through mim."""

import pytest

from sample_data import make_coco
from tests.generated_data import add_instances
from tests.running import ROOT, check_start, mim


@pytest.mark.slow
def test_mim_trains_and_tests(tmp_path):
    add_instances(make_coco(tmp_path / "data/coco", 4, 2, quiet=True))
    config = ROOT / "configs/det/litehrnet_18_gfl_person_416x416.py"
    train = ["train", "mmdet", config, "--auto-scale-lr", "--cfg-options"]
    options = [
        "train_dataloader.batch_size=2",
        "train_dataloader.num_workers=0",
        "train_dataloader.persistent_workers=False",
        "val_dataloader.num_workers=0",
        "val_dataloader.persistent_workers=False",
        "train_cfg.max_epochs=1",
        "train_cfg.val_interval=1",
        "default_hooks.checkpoint.interval=1",
        "default_hooks.logger.interval=1",
        "model.test_cfg.score_thr=0",
    ]
    log = mim(*train, *options, cwd=tmp_path)
    check_start(log)
    assert "coco/bbox_mAP:" in log
    weights = f"work_dirs/{config.stem}/epoch_1.pth"
    assert (tmp_path / weights).exists()
    # MMDetection imports its models before the config's imports, with mmcv's operators.
    test = ["test", "mmdet", config, "--checkpoint", weights, "--cfg-options"]
    log = mim(*test, "model.test_cfg.score_thr=0", cwd=tmp_path)
    assert "coco/bbox_mAP:" in log
