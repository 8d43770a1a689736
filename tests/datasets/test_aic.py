"""AI Challenger's people among COCO's, as the recipe of PP-TinyPose mixes them."""

import json

import numpy as np
import pytest
from mmengine import Config
from mmengine.registry import DATASETS, DefaultScope

from sample_data import aic, coco, make_aic, make_coco
from tests.running import ROOT

CONFIG = ROOT / "configs/pose/recipes/tinypose_128x96_aic-coco.py"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """The recipe's data before it is augmented."""
    folder = tmp_path_factory.mktemp("data")
    make_coco(folder / "coco", 3, 0, quiet=True)
    make_aic(folder / "aic", 3, 0, quiet=True)
    cfg = Config.fromfile(CONFIG).train_dataloader.dataset
    for one in cfg.datasets:
        one.data_root = str(folder / one.data_root.split("/")[1])
    cfg.pipeline = []
    with DefaultScope.overwrite_default_scope("mmpose"):
        return folder, DATASETS.build(cfg)


def test_joints_keep_their_names(mixed):
    folder, dataset = mixed
    people = json.loads((folder / "aic/annotations/aic_train.json").read_text())
    by_id = {person["id"]: person for person in people["annotations"]}
    start, count = dataset.lens
    assert start > 0 and count > 0
    for index in range(start, start + count):
        sample = dataset[index]
        raw = np.array(by_id[sample["id"]]["keypoints"]).reshape(14, 3)
        place = dict(zip(aic.JOINTS, raw, strict=True))
        for name, point, (visible, weight) in zip(
            coco.KEYPOINTS,
            sample["keypoints"][0],
            sample["keypoints_visible"][0],
            strict=True,
        ):
            if name in place:
                assert point.tolist() == place[name][:2].tolist(), name
                assert (visible > 0, weight) == (place[name][2] > 0, 1), name
            else:
                assert (visible, weight) == (0, 0), name
