"""Run exported pose estimators in rtmlib, on photographs: `make rtmlib-check`.

rtmlib asks for builds of OpenCV beside the one that is there, so it is installed into a
folder of its own. PP-TinyPose's real weights with the decoders that rtmlib has are
exported for it, and run by its classes on images as OpenCV reads them. Keypoints must
be those of MMPose's `inference_topdown`. Needs the network.
"""

from __future__ import annotations

import importlib
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mmpose.apis import inference_topdown
from torch import nn

from mmlitehrnet.deploy.export import export_onnx
from tests.deploy.photographs import PEOPLE, SIZES, photographs, tinypose
from tests.outside import installed

PACKAGE = "rtmlib==0.0.16"
#: Class of rtmlib -> the decoder that it has, least score of a compared keypoint.
DECODERS = {
    "RTMPose": (
        dict(type="SimCCLabel", input_size=SIZES["input_size"], simcc_split_ratio=2.0),
        0.0,
    ),
    "ViTPose": (dict(type="UDPHeatmap", sigma=1.5, **SIZES), 0.3),
}
#: Largest distance from MMPose's of 99% of the keypoints, in pixels of the network's
#: input. Of bins or cells of the same height rounding makes one the highest.
LARGEST = 0.02
COUNT = 100


def compare(estimate: Any, model: nn.Module, least: float) -> tuple[np.ndarray, float]:
    """Distances from MMPose's keypoints, in pixels of the network's input.

    Args:
        estimate: rtmlib's class with the exported file.
        model: The model in MMPose.
        least: Least score, in MMPose, of the keypoints that are compared.

    Returns:
        The distances, and the largest difference of scores.
    """
    distances, scores = [], []
    for image, boxes in photographs(COUNT):
        results = inference_topdown(model, image, boxes)
        points, likely = estimate(image, boxes)
        for k, (box, result) in enumerate(zip(boxes, results)):
            expected = result.pred_instances
            pixel = max((box[2:] - box[:2]) * 1.25 / SIZES["input_size"])
            away = np.linalg.norm((points[k] - expected.keypoints[0]) / pixel, axis=1)
            compared = expected.keypoint_scores[0] > least
            distances.append(away[compared])
            scores.append(np.abs(likely[k] - expected.keypoint_scores[0])[compared])
    return np.concatenate(distances), np.concatenate(scores).max()


def track_and_draw(rtmlib: Any, kind: str, path: Path, estimate: Any) -> None:
    """Run a file as `Custom` and `PoseTracker` do, and draw what they find."""
    image, _ = next(photographs(1))
    size = SIZES["input_size"]
    solution = partial(
        rtmlib.Custom, pose_class=kind, pose=str(path), pose_input_size=size
    )
    points, scores = rtmlib.PoseTracker(solution)(image)
    np.testing.assert_array_equal(points, estimate(image)[0])
    drawn = rtmlib.draw_skeleton(image.copy(), points, scores, kpt_thr=0)
    assert (drawn != image).any()


def check(kind: str, rtmlib: Any, folder: Path) -> bool:
    """Export and compare; print what comes out."""
    start, path = time.monotonic(), folder / f"{kind}.onnx"
    decoder, least = DECODERS[kind]
    # rtmlib cuts persons out without UDP.
    model = tinypose(decoder, use_udp=False)
    model.test_cfg["flip_test"] = False  # which rtmlib has not
    export_onnx(model, path, SIZES["input_size"][::-1], rtmlib=True)
    estimate = getattr(rtmlib, kind)(str(path), model_input_size=SIZES["input_size"])
    track_and_draw(rtmlib, kind, path, estimate)
    _, _, affine, _ = model.cfg.test_dataloader.dataset.pipeline
    for use_udp in (True, False) if kind == "ViTPose" else (False,):
        affine["use_udp"] = use_udp
        distances, score = compare(estimate, model, least)
        median, most, last = np.quantile(distances, (0.5, 0.99, 1))
        print(
            f"{kind}, cut out {'with' if use_udp else 'without'} UDP by "
            f"MMPose: {len(distances)} keypoints, distances in input pixels: median "
            f"{median:.4f}, 99% {most:.4f}, largest {last:.4f}; scores {score:.2g}",
            flush=True,
        )
    print(f"{time.monotonic() - start:.0f} s")
    return most <= LARGEST


def main() -> int:
    """Install rtmlib and check both decoders."""
    if not PEOPLE.is_dir():
        raise SystemExit(f"no {PEOPLE}")
    warnings.filterwarnings("ignore")
    with installed(PACKAGE) as folder:
        rtmlib = importlib.import_module("rtmlib")
        return int(not all([check(kind, rtmlib, folder) for kind in DECODERS]))


if __name__ == "__main__":
    sys.exit(main())
