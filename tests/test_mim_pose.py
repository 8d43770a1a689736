"""`mim train mmpose` and `mim test mmpose`, end to end on generated data."""

import re
import sys
from pathlib import Path

import pytest
import torch

from mmlitehrnet.sample_data import make_coco, make_mpii

from .running import ROOT, mim

CONFIGS = sorted(
    path.relative_to(ROOT / "configs/pose")
    for path in (ROOT / "configs/pose").rglob("*.py")
    if "_base_" not in path.parts and "demo" not in path.parts
)
SHORT = [
    "train_dataloader.batch_size=2",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "val_dataloader.num_workers=0",
    "val_dataloader.persistent_workers=False",
    "test_dataloader.num_workers=0",
    "test_dataloader.persistent_workers=False",
    "default_hooks.logger.interval=1",
]
TRAIN = [*SHORT, "train_cfg.val_interval=1", "default_hooks.checkpoint.interval=1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `data/coco` and `data/mpii`, as the configs expect them."""
    path = tmp_path_factory.mktemp("run")
    make_coco(path / "data/coco", num_train=4, num_val=2, quiet=True)
    make_mpii(path / "data/mpii", num_train=4, num_val=2, quiet=True)
    return path


def config_path(name: str) -> str:
    return str(ROOT / "configs/pose" / name)


@pytest.mark.parametrize(
    "name, score",
    [
        ("litehrnet_18_coco_256x192.py", "coco/AP"),
        ("naive_litehrnet_18_mpii_256x256.py", "PCK"),
        ("ditehrnet_18_coco_256x192.py", "coco/AP"),
        ("small_hrnet_w16_coco_256x192.py", "coco/AP"),
    ],
)
def test_train_resume_and_test(folder, name, score):
    config = config_path(name)
    run = ["--work-dir", f"work_dirs/{name}"]
    options = ["--cfg-options", *TRAIN]
    train = ["train", "mmpose", config, *run]
    log = mim(*train, *options, "train_cfg.max_epochs=1", cwd=folder)
    losses = [float(x) for x in re.findall(r"loss: ([\d.]+)", log)]
    assert len(losses) >= 4 and all(x > 0 for x in losses)
    assert f"{score}:" in log
    log = mim(*train, "--resume", *options, "train_cfg.max_epochs=2", cwd=folder)
    assert "resumed epoch: 1" in log
    last = folder / f"work_dirs/{name}/epoch_2.pth"
    weights = torch.load(last, map_location="cpu")["state_dict"]
    assert all(torch.isfinite(w).all() for w in weights.values())
    test = ["test", "mmpose", config, "--checkpoint", str(last)]
    log = mim(*test, "--cfg-options", *SHORT, cwd=folder)
    assert f"{score}:" in log


@pytest.mark.parametrize("name", [str(path) for path in CONFIGS])
def test_every_config_is_evaluated(folder, name, monkeypatch):
    """What `mim test` runs, in this process: MMPose's own test script."""
    import runpy

    import mmpose
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmpose.registry import MODELS

    config = config_path(name)
    cfg = Config.fromfile(config)
    init_default_scope(cfg.default_scope)
    checkpoint = folder / "untrained.pth"
    torch.save({"state_dict": MODELS.build(cfg.model).state_dict()}, checkpoint)
    script = Path(mmpose.__file__).parent / ".mim/tools/test.py"
    monkeypatch.chdir(folder)
    monkeypatch.setattr(
        sys,
        "argv",
        [str(script), config, str(checkpoint), "--work-dir", "work_dirs/untrained"]
        + ["--cfg-options", *SHORT],
    )
    runpy.run_path(str(script), run_name="__main__")
    results = sorted((folder / "work_dirs/untrained").glob("*/*.json"))[-1].read_text()
    score = "PCK" if "mpii" in name else "coco/AP"
    assert f'"{score}"' in results
