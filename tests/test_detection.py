"""The detector configs train and are evaluated by MMDetection."""

import pytest
from mmdet.datasets import CocoDataset
from mmengine import Config
from mmengine.runner import Runner

from sample_data import make_coco
from tests.generated_data import read, write
from tests.running import ROOT, check_start, mim
from tests.training import build_and_step

NAMES = sorted(path.stem for path in (ROOT / "configs/det").glob("*.py"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `data/coco`, as the configs expect it."""
    path = tmp_path_factory.mktemp("run")
    coco = make_coco(path / "data/coco", 4, 2, quiet=True)
    for split in ("train", "val"):
        content = read(coco / f"annotations/person_keypoints_{split}2017.json")
        content["categories"] = [
            {"id": number, "name": name}
            for number, name in enumerate(CocoDataset.METAINFO["classes"], 1)
        ]
        write(coco / f"annotations/instances_{split}2017.json", content)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_every_config_trains_and_is_evaluated(folder, name, monkeypatch):
    monkeypatch.chdir(folder)
    cfg = Config.fromfile(ROOT / f"configs/det/{name}.py")
    _, losses = build_and_step(cfg)
    assert {"loss_cls", "loss_bbox", "loss_dfl"} <= set(losses)
    # An untrained detector is sure of nothing.
    cfg.model.test_cfg.score_thr = 0
    cfg.work_dir = str(folder / "work")
    cfg.test_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    cfg.visualizer.vis_backends = []
    scores = Runner.from_cfg(cfg).test()
    assert -1 <= scores["coco/bbox_mAP"] <= 1


def test_mim_trains_and_tests(folder):
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
    log = mim(*train, *options, cwd=folder)
    check_start(log)
    assert "coco/bbox_mAP:" in log
    weights = f"work_dirs/{config.stem}/epoch_1.pth"
    assert (folder / weights).exists()
    # MMDetection imports its models before the config's imports, with mmcv's operators.
    test = ["test", "mmdet", config, "--checkpoint", weights, "--cfg-options"]
    log = mim(*test, "model.test_cfg.score_thr=0", cwd=folder)
    assert "coco/bbox_mAP:" in log
