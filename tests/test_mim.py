"""`mim train` and `mim test` with each library, end to end on generated data.

Each library is tried by mim once; the rest are the scripts that mim starts, run in this
process, without imports to wait for.
"""

import re

import cv2
import pytest
import torch
from mmengine.config import Config

from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.checkpoints import load_checkpoint
from sample_data import make_cityscapes, make_coco, make_imagenet, make_mpii
from tests.generated_data import add_instances
from tests.running import ROOT, SHORT, check_start, mim, script_of_mim
from tests.training import on_streets

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the data of the configs, where they expect it."""
    path = tmp_path_factory.mktemp("run")
    add_instances(make_coco(path / "data/coco", num_train=5, num_val=2, quiet=True))
    make_mpii(path / "data/mpii", num_train=4, num_val=2, quiet=True)
    return path


@pytest.mark.parametrize(
    "name, score",
    [
        ("litehrnet_18_coco_256x192", "coco/AP"),
        ("naive_litehrnet_18_mpii_256x256", "PCK"),
        ("ditehrnet_18_coco_256x192", "coco/AP"),
        ("small_hrnet_w16_coco_256x192", "coco/AP"),
    ],
)
def test_pose(folder, name, score):
    config, work_dir = ROOT / f"configs/pose/{name}.py", folder / "work_dirs" / name
    train = ("mmpose", config, "--work-dir", work_dir)
    run = mim if name.startswith("lite") else script_of_mim
    log = run("train", *train, *SHORT, "train_cfg.max_epochs=1", cwd=folder)
    losses = [float(x) for x in re.findall(r"loss: ([\d.]+)", log)]
    assert len(losses) >= 2 and all(x > 0 for x in losses)
    assert f"{score}:" in log
    last = work_dir / "epoch_1.pth"
    if run is mim:
        check_start(log)
        again = ("--resume", *SHORT, "train_cfg.max_epochs=2")
        log = script_of_mim(
            "train", *train, *again, "train_cfg.val_interval=2", cwd=folder
        )
        assert "resumed epoch: 1" in log
        last = work_dir / "epoch_2.pth"
    weights = load_checkpoint(last)["state_dict"]
    assert all(torch.isfinite(w).all() for w in weights.values())
    log = script_of_mim("test", "mmpose", config, last, *SHORT, cwd=folder)
    assert f"{score}:" in log


def test_segmentation(tmp_path):
    """Also resumed, and tested with label images as Cityscapes' server wants them."""
    size = (64, 128)
    data = make_cityscapes(tmp_path / "data", 2, 2, size=size, quiet=True)
    options = [f"{k}={v}".replace(" ", "") for k, v in on_streets(data, size).items()]
    config = ROOT / "configs/seg/litehrnet_18_cityscapes_512x1024.py"
    train = ("train", "mmseg", config, "--work-dir", tmp_path)
    log = script_of_mim(*train, *SHORT, *options, "train_cfg.max_iters=1")
    check_start(log)
    resumed = (*train, "--resume", *SHORT, *options, "train_cfg.max_iters=2")
    log = script_of_mim(*resumed)
    assert "resumed epoch: 0, iter: 1" in log
    steps = re.findall(r"Iter\(train\) \[(\d)/2\]", log)
    assert set(steps) == {"2"}
    run = ("--checkpoint", tmp_path / "iter_2.pth", "--out", tmp_path / "labels")
    log = mim("test", "mmsegmentation", config, *run, *SHORT, *options, cwd=tmp_path)
    assert re.search(r"Iter\(test\) \[2/2\] .*mIoU: [\d.]+", log)
    files = sorted((tmp_path / "labels").glob("*_leftImg8bit.png"))
    assert len(files) == 2
    for file in files:
        labels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        assert labels.shape == size and labels.max() < 19


def test_detection(folder):
    config = ROOT / "configs/det/litehrnet_18_gfl_person_416x416.py"
    # An untrained detector is sure of nothing.
    options = [*SHORT, "train_cfg.max_epochs=1", "model.test_cfg.score_thr=0"]
    train = ("train", "mmdet", config, "--auto-scale-lr", *options)
    log = script_of_mim(*train, cwd=folder)
    check_start(log)
    assert "coco/bbox_mAP:" in log
    weights = f"work_dirs/{config.stem}/epoch_1.pth"
    # MMDetection imports its models before the config's imports, with mmcv's operators.
    log = mim("test", "mmdet", config, "--checkpoint", weights, *options, cwd=folder)
    assert "coco/bbox_mAP:" in log


def test_classification(tmp_path):
    """Its weights start other networks."""
    make_imagenet(tmp_path / "data/imagenet", 6, 6, size=(64, 80), quiet=True)
    config = ROOT / "configs/cls/litehrnet_18_in1k.py"
    options = ["train_cfg.max_epochs=1", "train_dataloader.dataset.pipeline.1.scale=64"]
    train = ("train", "mmpretrain", config, "--work-dir", "work", *SHORT, *options)
    log = mim(*train, cwd=tmp_path)
    assert "Epoch(train) [1][3/3]" in log and "accuracy/top5" in log
    weights = tmp_path / "work/epoch_1.pth"
    log = script_of_mim("test", "mmpretrain", config, weights, *SHORT, cwd=tmp_path)
    assert "accuracy/top5" in log
    trained = load_checkpoint(weights)["state_dict"]
    for name in (
        "pose/litehrnet_18_coco_256x192",
        "seg/litehrnet_18_cityscapes_512x1024",
        "det/litehrnet_18_gfl_person_416x416",
    ):
        cfg = Config.fromfile(ROOT / f"configs/{name}.py")
        init = dict(type="Pretrained", checkpoint=str(weights), prefix="backbone.")
        cfg.model.backbone.init_cfg = init
        model = network_from_config(cfg)
        model.init_weights()
        for key, value in model.backbone.state_dict().items():
            if not key.startswith("head_layer."):  # which classification has not
                assert torch.equal(value, trained[f"backbone.{key}"]), key
