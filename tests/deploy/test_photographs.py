"""Exported files find in photographs the keypoints that MMPose finds, by real weights.

The weights are PP-TinyPose's, whose own codec is DARK. For the others its heatmaps are
decoded by them: what they must be given is real peaks, not ones that they were trained
on.
"""

from functools import partial

import numpy as np
import pytest

from mmlitehrnet.deploy.export import export_onnx
from mmlitehrnet.deploy.runner import RUNTIMES, PoseRunner
from tests.deploy.models import by_mmpose
from tests.deploy.photographs import SIZES, needs_photographs, photographs, tinypose

#: Pixels of the photograph, and the share of keypoints that are no further off.
NEAR, SHARE = 0.05, 0.999
#: People whose keypoints are compared.
COUNT = 12
HEATMAP = dict(sigma=1.5, **SIZES)
SIMCC = dict(input_size=SIZES["input_size"], sigma=6.0, simcc_split_ratio=2.0)
CASES = {
    "DARK": dict(),
    "quarter": dict(decoder=dict(type="MSRAHeatmap", **HEATMAP), use_udp=False),
    "blurred": dict(decoder=dict(type="MSRAHeatmapBlur", **HEATMAP), use_udp=False),
    "inner": dict(decoder=dict(type="MSRAHeatmapInner", **HEATMAP)),
    "UDP": dict(decoder=dict(type="UDPHeatmap", **HEATMAP)),
    "SimCC": dict(decoder=dict(type="SimCCLabel", **SIMCC), use_udp=False),
}
pytestmark = needs_photographs


def over_all(estimate):
    """Keypoints (M, 17, 2) and scores (M, 17) of all people."""
    found = [estimate(image, boxes) for image, boxes in photographs(COUNT)]
    return tuple(map(np.concatenate, zip(*found)))


def share_near(points, expected):
    return (np.linalg.norm(points - expected, axis=-1) <= NEAR).mean()


@pytest.mark.slow
@pytest.mark.parametrize("flip_test", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_keypoints_are_those_of_mmpose(case, flip_test, tmp_path):
    model, path = tinypose(**CASES[case]), tmp_path / "pose.onnx"
    model.test_cfg["flip_test"] = flip_test
    export_onnx(model, path, (128, 96), tolerance=1e-4)
    expected, likely = over_all(partial(by_mmpose, model))
    assert likely.min() > 0 and np.median(likely) > 0.2
    # test_decoding.py has both runtimes for each codec.
    for runtime in RUNTIMES if case == "DARK" else ["onnxruntime"]:
        points, scores = over_all(PoseRunner(path, runtime, num_threads=1))
        assert share_near(points, expected) >= SHARE
        np.testing.assert_allclose(scores, likely, atol=1e-3)
