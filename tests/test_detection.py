"""A detector's config trains and is tested through mim."""

import pytest

from sample_data import make_coco
from tests.generated_data import add_instances
from tests.running import ROOT, SHORT, check_start, mim


@pytest.mark.slow
def test_mim_trains_and_tests(tmp_path):
    add_instances(make_coco(tmp_path / "data/coco", 4, 2, quiet=True))
    config = ROOT / "configs/det/litehrnet_18_gfl_person_416x416.py"
    # An untrained detector is sure of nothing.
    options = [*SHORT, "train_cfg.max_epochs=1", "model.test_cfg.score_thr=0"]
    log = mim("train", "mmdet", config, "--auto-scale-lr", *options, cwd=tmp_path)
    check_start(log)
    assert "coco/bbox_mAP:" in log
    weights = f"work_dirs/{config.stem}/epoch_1.pth"
    assert (tmp_path / weights).exists()
    # MMDetection imports its models before the config's imports, with mmcv's operators.
    log = mim("test", "mmdet", config, "--checkpoint", weights, *options, cwd=tmp_path)
    assert "coco/bbox_mAP:" in log
