"""`mim train mmpose` and `mim test mmpose`, end to end on generated data."""

import re

import pytest
import torch
from mmengine import Config

from mmlitehrnet.checkpoints import load_checkpoint
from sample_data import make_aic, make_coco, make_mpii
from tests.generated_data import add_whole_body, make_ap10k
from tests.running import ROOT, check_start, mim, script_of_mim
from tests.training import build_and_step

CONFIGS = sorted(
    path.relative_to(ROOT / "configs/pose")
    for path in (ROOT / "configs/pose").rglob("*.py")
    if "_base_" not in path.parts and "demo" not in path.parts
)
# Folders of configs whose recipe is not the papers'.
NOT_THE_PAPERS = ("recipes", "other_datasets")
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
    """A folder with the data of all configs, where they expect it."""
    path = tmp_path_factory.mktemp("run")
    make_coco(path / "data/coco", num_train=7, num_val=2, quiet=True)
    add_whole_body(path / "data/coco")
    make_mpii(path / "data/mpii", num_train=4, num_val=2, quiet=True)
    make_aic(path / "data/aic", num_train=3, num_val=1, quiet=True)
    make_ap10k(path / "data/ap10k", num_train=4, num_val=2)
    return path


# Part of a config's name -> the score that its evaluation gives.
SCORES = {
    "_mpii_": "PCK",
    "_wholebody_hand_": "AUC",
    "_wholebody_face_": "NME",
    "_wholebody_": "coco-wholebody/AP",
    "": "coco/AP",
}


def score_of(name: str) -> str:
    return next(score for part, score in SCORES.items() if part in name)


def config_path(name: str) -> str:
    return str(ROOT / "configs/pose" / name)


# One through mim; its scripts do the same in this process, without its imports.
@pytest.mark.parametrize(
    "name, score, run",
    [
        ("litehrnet_18_coco_256x192.py", "coco/AP", mim),
        ("naive_litehrnet_18_mpii_256x256.py", "PCK", script_of_mim),
        ("ditehrnet_18_coco_256x192.py", "coco/AP", script_of_mim),
        ("small_hrnet_w16_coco_256x192.py", "coco/AP", script_of_mim),
        ("recipes/tinypose_128x96_aic-coco.py", "coco/AP", script_of_mim),
    ],
)
def test_train_resume_and_test(folder, name, score, run):
    config = config_path(name)
    options = ["--cfg-options", *TRAIN]
    train = ["train", "mmpose", config, "--work-dir", f"work_dirs/{name}"]
    log = run(*train, *options, "train_cfg.max_epochs=1", cwd=folder)
    losses = [float(x) for x in re.findall(r"loss: ([\d.]+)", log)]
    assert len(losses) >= 4 and all(x > 0 for x in losses)
    if run is mim:
        check_start(log)
    assert f"{score}:" in log
    log = run(*train, "--resume", *options, "train_cfg.max_epochs=2", cwd=folder)
    assert "resumed epoch: 1" in log
    last = folder / f"work_dirs/{name}/epoch_2.pth"
    weights = load_checkpoint(last)["state_dict"]
    assert all(torch.isfinite(w).all() for w in weights.values())
    checkpoint = ["--checkpoint", last] if run is mim else [last]
    test = ["test", "mmpose", config, *checkpoint]
    log = run(*test, "--cfg-options", *SHORT, cwd=folder)
    assert f"{score}:" in log


@pytest.mark.parametrize("name", [str(path) for path in CONFIGS])
def test_every_config_is_evaluated(folder, name):
    from mmengine.registry import init_default_scope
    from mmpose.registry import MODELS

    config = config_path(name)
    cfg = Config.fromfile(config)
    init_default_scope(cfg.default_scope)
    checkpoint = folder / "untrained.pth"
    torch.save({"state_dict": MODELS.build(cfg.model).state_dict()}, checkpoint)
    run = ["--work-dir", "work_dirs/untrained", "--cfg-options", *SHORT]
    script_of_mim("test", "mmpose", config, checkpoint, *run, cwd=folder)
    results = sorted((folder / "work_dirs/untrained").glob("*/*.json"))[-1].read_text()
    assert f'"{score_of(name)}"' in results


@pytest.mark.parametrize(
    "name", [str(path) for path in CONFIGS if path.parent.name in NOT_THE_PAPERS]
)
def test_configs_beside_the_papers_train(folder, name, monkeypatch):
    monkeypatch.chdir(folder)
    cfg = Config.fromfile(config_path(name))
    assert cfg.default_hooks.checkpoint.save_best == score_of(name)
    _, losses = build_and_step(cfg)
    assert 0 <= losses["acc_pose"] <= 1
