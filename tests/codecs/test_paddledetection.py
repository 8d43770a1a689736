"""Configs that evaluate as PaddleDetection does: its numbers for boxes and heatmaps.

``tests/data/paddledetection_evaluation.json`` holds what the operators of
PaddleDetection 2.6.0 gave: where points of an image lie in the network's input
(``TopDownAffine`` after its COCO dataset), and where heatmaps of two Gaussians, the
second a fifth as high, put keypoints in the image (``HRNetPostProcess``).
"""

import json

import numpy as np
import pytest
from mmengine import Config
from mmengine.registry import DefaultScope
from mmpose.registry import KEYPOINT_CODECS, TRANSFORMS

from tests.running import ROOT

FILE = ROOT / "tests/data/paddledetection_evaluation.json"
CASES = json.loads(FILE.read_text())


def gaussians(centers, heatmap_size, sigma):
    width, height = heatmap_size
    x, y = np.arange(width), np.arange(height)[:, None]
    squares = [(x - cx) ** 2 + (y - cy) ** 2 for cx, cy in centers]
    return np.exp(-np.array(squares) / (2 * sigma**2))


@pytest.fixture(autouse=True)
def mmpose_scope():
    """Names are MMPose's, whichever library another test left as the default."""
    with DefaultScope.overwrite_default_scope("mmpose"):
        yield


def prepared(cfg, case):
    """A person between loading the image and packing."""
    width, height = case["image"]
    sample = dict(
        img=np.zeros((height, width, 3), np.uint8),
        ori_shape=(height, width),
        raw_ann_info=dict(bbox=case["bbox"]),
        keypoints=np.array([case["points"]], np.float32),
        keypoints_visible=np.ones((1, 17), np.float32),
    )
    for step in cfg.test_dataloader.dataset.pipeline[1:-1]:
        sample = TRANSFORMS.build(step)(sample)
    return sample


@pytest.mark.parametrize("name", CASES)
def test_points_and_keypoints_lie_where_they_do_there(name):
    cfg = Config.fromfile(ROOT / f"configs/pose/{name}.py")
    decoder = cfg.model.head.decoder
    codec = KEYPOINT_CODECS.build(decoder)
    for case in CASES[name]:
        sample = prepared(cfg, case)
        warped = sample["transformed_keypoints"][0]
        assert np.abs(warped - case["warped"]).max() < 0.01
        maps = [
            gaussians(case[key], decoder.heatmap_size, decoder.sigma)
            for key in ("peaks", "second")
        ]
        found, _ = codec.decode((maps[0] + 0.2 * maps[1]).astype(np.float32))
        # As MMPose goes back to the image.
        scale, corner = sample["input_scale"], sample["input_center"]
        keypoints = found[0] / decoder.input_size * scale + corner - 0.5 * scale
        assert np.abs(keypoints - case["decoded"]).max() < 0.01


def test_boxes_of_a_detector_stay_as_they_are():
    box = np.array([[3.0, 4.0, 50.0, 60.0]], np.float32)
    sample = dict(bbox=box.copy(), ori_shape=(100, 80))
    found = TRANSFORMS.build(dict(type="InclusiveBBox"))(sample)["bbox"]
    assert np.array_equal(found, box)
