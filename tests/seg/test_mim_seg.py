"""`mim train`, resuming, `mim test` and the export of label images."""

import re
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from sample_data import make_cityscapes
from tests.running import ROOT, check_start, mim, script_of_mim
from tests.training import on_streets

CONFIG = ROOT / "configs" / "seg" / "litehrnet_18_cityscapes_512x1024.py"
SIZE = (64, 128)

pytestmark = pytest.mark.slow


def mim_seg(verb, *args, options):
    """Run mim on the config and return what it printed."""
    return mim(verb, "mmsegmentation", CONFIG, *args, *as_words(options))


def run_seg(verb, *args, options):
    """Run MMSegmentation's script on the config, in this process."""
    return script_of_mim(verb, "mmseg", CONFIG, *args, *as_words(options))


def as_words(options):
    return ["--cfg-options", *(f"{k}={v}".replace(" ", "") for k, v in options.items())]


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """What makes the real config run on a few tiny streets."""
    data = tmp_path_factory.mktemp("streets") / "data"
    make_cityscapes(data, 2, 2, size=SIZE, quiet=True)
    return on_streets(data, SIZE) | {
        "train_dataloader.batch_size": 2,
        "train_cfg.val_interval": 1000,
        "default_hooks.logger.interval": 1,
        "default_hooks.checkpoint.interval": 1,
        "default_hooks.checkpoint.save_best": "None",
        "tta_pipeline.1.transforms.0.0.scale": SIZE[::-1],
    }


@pytest.fixture(scope="module")
def checkpoint(options, tmp_path_factory):
    """What mim leaves after an iteration, and its script, resuming, after another."""
    work_dir = tmp_path_factory.mktemp("run")
    first = {**options, "train_cfg.max_iters": 1}
    log = mim_seg("train", "--work-dir", work_dir, options=first)
    check_start(log)
    assert re.search(r"Iter\(train\) \[1/1\]", log)
    assert (work_dir / "last_checkpoint").read_text().endswith("iter_1.pth")
    second = {**options, "train_cfg.max_iters": 2}
    log = run_seg("train", "--work-dir", work_dir, "--resume", options=second)
    assert "resumed epoch: 0, iter: 1" in log
    assert re.search(r"Iter\(train\) \[2/2\]", log)
    assert not re.search(r"Iter\(train\) \[1/2\]", log)
    return work_dir / "iter_2.pth"


def test_mim_evaluates_what_was_resumed(checkpoint, options, tmp_path):
    run = ("--checkpoint", checkpoint, "--work-dir", tmp_path)
    log = mim_seg("test", *run, options=options)
    assert re.search(r"Iter\(test\) \[2/2\] .*mIoU: [\d.]+", log)


def test_images_are_mirrored_too(checkpoint, options, tmp_path):
    log = run_seg("test", checkpoint, "--work-dir", tmp_path, "--tta", options=options)
    assert re.search(r"Iter\(test\) \[2/2\] .*mIoU: [\d.]+", log)


def test_label_images_for_the_server(checkpoint, options, tmp_path):
    out = tmp_path / "labels"
    # The server wants label ids, which need the Cityscapes scripts; without them, train
    # ids are exported.
    server = find_spec("cityscapesscripts") is not None
    options = {
        **options,
        "test_evaluator.type": "CityscapesMetric" if server else "IoUMetric",
        "test_evaluator.format_only": True,
    }
    run = (checkpoint, "--work-dir", tmp_path, "--out", out)
    log = run_seg("test", *run, options=options)
    assert "mIoU:" not in log
    files = sorted(out.glob("*.png"))
    assert len(files) == 2 and files[0].name.endswith("_leftImg8bit.png")
    allowed = set(range(7, 34)) if server else set(range(19))
    for file in files:
        labels = np.array(Image.open(file))
        assert labels.shape == SIZE
        assert set(np.unique(labels).tolist()) <= allowed
