"""`mim train mmpose` and `mim test mmpose`, end to end on generated data."""

import re

import pytest
import torch

from mmlitehrnet.checkpoints import load_checkpoint
from sample_data import make_coco, make_mpii
from tests.running import ROOT, SHORT, check_start, mim, script_of_mim


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the data of the configs, where they expect it."""
    path = tmp_path_factory.mktemp("run")
    make_coco(path / "data/coco", num_train=5, num_val=2, quiet=True)
    make_mpii(path / "data/mpii", num_train=4, num_val=2, quiet=True)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, score",
    [
        ("litehrnet_18_coco_256x192", "coco/AP"),
        ("naive_litehrnet_18_mpii_256x256", "PCK"),
        ("ditehrnet_18_coco_256x192", "coco/AP"),
        ("small_hrnet_w16_coco_256x192", "coco/AP"),
    ],
)
def test_trains_and_tests(folder, name, score):
    """One trains by mim; its scripts do the same in this process, without imports."""
    config, work_dir = ROOT / f"configs/pose/{name}.py", folder / "work_dirs" / name
    train = ("mmpose", config, "--work-dir", work_dir)
    run = mim if name.startswith("lite") else script_of_mim
    log = run("train", *train, *SHORT, "train_cfg.max_epochs=1", cwd=folder)
    losses = [float(x) for x in re.findall(r"loss: ([\d.]+)", log)]
    assert len(losses) >= 2 and all(x > 0 for x in losses)
    if run is mim:
        check_start(log)
    assert f"{score}:" in log
    last = work_dir / "epoch_1.pth"
    if run is mim:
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
