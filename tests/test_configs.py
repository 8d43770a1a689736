"""Every config builds a network of ours that trains, is evaluated and costs as said."""

import functools
import re

import pytest
import torch
import yaml
from mmengine import Config

from complexity import measure, total
from counting import call_on
from mmlitehrnet.apis.model import config_input_size, network_from_config
from mmlitehrnet.models import backbones
from paper_tables import DITE_CELLS, NETWORKS
from tests.generated_data import make_all
from tests.running import ROOT
from tests.training import build_and_step, check_gradients, evaluate, on_streets

CONFIGS = sorted(
    str(path.relative_to(ROOT / "configs"))
    for path in (ROOT / "configs").rglob("*.py")
    if not {"_base_", "cpu_distributed.py"} & set(path.parts)
)
# Those with the papers' data and recipe.
POSE = [name for name in CONFIGS if re.match(r"pose/(ablations/)?(?!own)\w+\.py", name)]
# All but their backbone is that of another config.
SAME_BUT_FOR_THE_BACKBONE = (
    r"/ablations/|/ditehrnet_|naive_litehrnet_|litehrnet_30_|/small_hrnet_w16_"
)
LISTED = {
    model["Config"].removeprefix("configs/"): model
    for task in ("pose", "seg", "det", "cls")
    for model in yaml.safe_load((ROOT / f"configs/{task}/metafile.yml").read_text())[
        "Models"
    ]
}


@functools.cache
def load(name):
    return Config.fromfile(ROOT / "configs" / name)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_builds_a_network_of_ours(name):
    cfg = load(name)
    assert cfg.custom_imports.imports[0] == "mmlitehrnet"
    model = network_from_config(cfg)
    ours = getattr(backbones, cfg.model.backbone.type)
    assert type(model.backbone) is ours
    assert ours.__module__.startswith("mmlitehrnet.")
    maps = model.backbone.train()(torch.randn(2, 3, 64, 64))
    sum(y.square().mean() for y in maps).backward()
    check_gradients(model.backbone)
    if name in LISTED:
        assert LISTED[name]["In Collection"] == ours.__name__
        cost = total(measure(model, call_on(model, config_input_size(cfg))))
        given = LISTED[name]["Metadata"]
        assert (given["Parameters"], given["FLOPs"]) == (cost.params, cost.macs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    make_all(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in CONFIGS if not re.search(SAME_BUT_FOR_THE_BACKBONE, name)]
)
def test_trains_and_is_evaluated(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    cfg = Config.fromfile(ROOT / "configs" / name)
    if "cityscapes" in name:
        cfg.merge_from_dict(on_streets("data/cityscapes", (64, 128)))
    if name.startswith("det/"):  # An untrained detector is sure of nothing.
        cfg.model.test_cfg.score_thr = 0
    if name.startswith("cls/"):
        cfg.train_dataloader.dataset.pipeline[1].scale = 64
    model, _ = build_and_step(cfg)
    scores = evaluate(cfg, model)
    best = cfg.default_hooks.checkpoint.save_best
    assert -1 <= scores[best] <= 100
    hooks = {hook.type for hook in cfg.default_hooks.values()}
    assert hooks >= {"SafeCheckpointHook", "FiniteLossHook", "ProcessesHook"}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_run_of_any_length_ends_its_schedule(name):
    """What falls along a curve would climb again beyond an end of its own."""
    for part in load(name).get("param_scheduler", ()):
        if part.type not in ("LinearLR", "MultiStepLR"):  # a warm-up, steps
            assert not {"end", "T_max"} & part.keys()


@pytest.mark.parametrize("name", [name for name in CONFIGS if name.startswith("seg/")])
def test_mirrored_images_are_of_the_size_of_the_test(name):
    def sizes(steps):
        return [step.scale for step in steps if step.type == "Resize"]

    cfg = load(name)
    mirrored = sum(cfg.tta_pipeline[1].transforms, [])
    assert sizes(mirrored) == sizes(cfg.test_dataloader.dataset.pipeline)


def test_every_row_of_the_papers_tables_has_a_config():
    def arguments(backbone):
        defaults = dict(num_groups=(1, 1, 2, 4), num_kernels=(4, 4, 2, 1))
        dite = backbone["type"] == "DiteHRNet"
        return {**(defaults if dite else {}), **backbone}

    found = [
        arguments(load(name).model.backbone)
        for name in CONFIGS
        if name.startswith("pose/")
    ]
    for row in NETWORKS + DITE_CELLS:
        assert arguments(dict(type=row.type, **row.args)) in found, row.name


def pipeline_steps(dataloader):
    return {step.type: step for step in dataloader.dataset.pipeline}


@pytest.mark.parametrize("name", POSE)
def test_pose_config_is_consistent(name):
    cfg = load(name)
    width, height = cfg.codec.input_size
    assert f"{height}x{width}" in name
    assert cfg.codec.heatmap_size == (width // 4, height // 4)
    assert cfg.codec.sigma == (3 if height == 384 else 2)
    assert cfg.model.head.decoder == cfg.codec
    assert cfg.val_dataloader == cfg.test_dataloader
    train = pipeline_steps(cfg.train_dataloader)
    assert train["GenerateTarget"].encoder == cfg.codec
    for steps in (train, pipeline_steps(cfg.test_dataloader)):
        assert steps["TopdownAffine"].input_size == cfg.codec.input_size
    coco = "_coco_" in name
    assert cfg.model.head.out_channels == (17 if coco else 16)
    assert cfg.default_hooks.checkpoint.save_best == ("coco/AP" if coco else "PCK")
    assert ("RandomHalfBody" in train) == coco
    assert ("RandomBBoxShift" in train) == coco


@pytest.mark.parametrize("name", POSE)
def test_pose_recipe_is_the_papers(name):
    cfg = load(name)
    assert cfg.optim_wrapper.optimizer == dict(type="Adam", lr=2e-3)
    per_gpu = cfg.train_dataloader.batch_size
    assert (per_gpu, cfg.auto_scale_lr.base_batch_size) == (32, 8 * 32)
    turn = pipeline_steps(cfg.train_dataloader)["RandomScaleRotation"]
    factors = (turn.scale_factor, turn.rotate_factor, turn.rotate_prob)
    assert factors == (0.25, 30, 0.6)
    warm_up, decay = cfg.param_scheduler
    assert (warm_up.end, warm_up.by_epoch, warm_up.start_factor) == (500, False, 0.001)
    assert decay.milestones == [170, 200]
    assert cfg.model.test_cfg.flip_test
    assert cfg.codec.type == "MSRAHeatmapBlur"
    # As the released configs of Dite-HRNet.
    dite = {"coco": 270, "mpii": 260}[cfg.data_root.split("/")[1]]
    is_dite = cfg.model.backbone.type == "DiteHRNet"
    assert cfg.train_cfg.max_epochs == (dite if is_dite else 210)
