"""Every pose config, and so every pose estimator of the zoo, is exported and runs."""

import functools
import json

import numpy as np
import pytest
import yaml
from mmengine.config import Config

from mmlitehrnet.deploy.export import export_onnx
from mmlitehrnet.deploy.runner import PoseRunner
from tests.deploy.models import BOXES, SMALL, scene
from tests.running import ROOT
from tests.tools import load_tool

CONFIGS = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "configs/pose").rglob("*.py")
    if "_base_" not in path.parts
)
#: Tests that share them.
PARTS = 4


def shrunk(path):
    """A config with a small backbone, and all that surrounds it as it is."""
    config = Config.fromfile(ROOT / path)
    maps = {k: config.model.backbone.get(k) for k in ("with_head", "out_indices")}
    config.model.backbone = dict(
        type="LiteHRNet",
        extra=SMALL,
        in_channels=config.model.backbone.get("in_channels", 3),
        **{key: value for key, value in maps.items() if value is not None},
    )
    config.model.head.in_channels = 64 if maps["out_indices"] else 16
    return config


@functools.cache
def in_groups():
    """Lists of configs that have all but their networks in common.

    test_export.py exports networks of all kinds; a group is exported once.
    """
    groups = {}
    for path in CONFIGS:
        config = shrunk(path).to_dict()
        train, test = (config[f"{k}_dataloader"]["dataset"] for k in ("train", "test"))
        keypoints = train["type"], train.get("metainfo")
        read = [config["model"], test["pipeline"], keypoints]
        same = json.dumps(read, sort_keys=True, default=repr)
        groups.setdefault(same, []).append(path)
    return list(groups.values())


# Not a test for each: to find them takes seconds, in each process that collects tests.
@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_they_are_exported_and_run(part, tmp_path):
    tool, path = load_tool("export_onnx"), tmp_path / "pose.onnx"
    for paths in in_groups()[part::PARTS]:
        print(*paths)
        config = shrunk(paths[0])
        model = tool.load_model(config, None)
        width, height = config.codec.input_size
        export_onnx(model, path, (height, width), tolerance=1e-4)
        points, scores = PoseRunner(path, num_threads=1)(scene(), BOXES)
        assert points.shape == (len(BOXES), config.model.head.out_channels, 2)
        assert scores.shape == points.shape[:2] and np.isfinite(points).all()


def test_the_zoo_is_among_them():
    zoo = yaml.safe_load((ROOT / "configs/zoo.yml").read_text())["Models"]
    pose = {each["Config"] for each in zoo if each["Config"].startswith("configs/pose")}
    assert len(pose) > 10 and pose <= set(CONFIGS)
