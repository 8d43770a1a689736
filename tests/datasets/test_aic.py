"""AI Challenger's people among COCO's, as the recipe of PP-TinyPose mixes them."""

import json

import numpy as np
from mmengine import Config
from mmengine.registry import DATASETS, DefaultScope

from sample_data import aic, coco, make_aic, make_coco
from tests.running import ROOT

CONFIG = ROOT / "configs/pose/recipes/tinypose_128x96_aic-coco.py"


def test_joints_keep_their_names(tmp_path):
    """In the recipe's data before it is augmented."""
    make_coco(tmp_path / "coco", 3, 0, quiet=True)
    make_aic(tmp_path / "aic", 3, 0, quiet=True)
    cfg = Config.fromfile(CONFIG).train_dataloader.dataset
    for one in cfg.datasets:
        one.data_root = str(tmp_path / one.data_root.split("/")[1])
    cfg.pipeline = []
    with DefaultScope.overwrite_default_scope("mmpose"):
        dataset = DATASETS.build(cfg)
    people = json.loads((tmp_path / "aic/annotations/aic_train.json").read_text())
    by_id = {person["id"]: person for person in people["annotations"]}
    start, count = dataset.lens
    assert start > 0 and count > 0
    for index in range(start, start + count):
        sample = dataset[index]
        raw = np.reshape(by_id[sample["id"]]["keypoints"], (14, 3))
        place = dict(zip(aic.JOINTS, raw, strict=True))
        points = zip(sample["keypoints"][0], sample["keypoints_visible"][0])
        for name, (point, (visible, weight)) in zip(
            coco.KEYPOINTS, points, strict=True
        ):
            if name in place:
                assert point.tolist() == place[name][:2].tolist(), name
                assert (visible > 0, weight) == (place[name][2] > 0, 1), name
            else:
                assert (visible, weight) == (0, 0), name
