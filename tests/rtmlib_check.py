"""Run exported recipes in rtmlib, on photographs: `make rtmlib-check`.

rtmlib asks for builds of OpenCV beside the one that is there, so it is installed into a
folder of its own. The SimCC and the UDP recipe are trained for a few steps on the
annotated people of `../shared/data/coco`, so that their maps have peaks, exported for
rtmlib, and run by its classes on images as OpenCV reads them. Keypoints must be those
of MMPose's `inference_topdown`. Needs the network.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmpose.apis import inference_topdown
from mmpose.registry import DATASETS
from torch import nn

from mmlitehrnet.deploy.export import export_onnx
from tests.deploy.models import RECIPE, pose_model
from tests.models.deployed.networks import table
from tests.outside import installed
from tests.running import ROOT

PACKAGE = "rtmlib==0.0.16"
PHOTOGRAPHS = ROOT.parent / "shared/data/coco"
#: Recipe -> class of rtmlib, steps of training, least score of a compared keypoint.
RECIPES = {"simcc": ("RTMPose", 100, 0.0), "udp": ("ViTPose", 240, 0.3)}
#: Largest distance from MMPose's of 99% of the keypoints, in pixels of the network's
#: input. Of bins or cells of the same height rounding makes one the highest.
LARGEST = 0.02


def trained(recipe: str, steps: int) -> nn.Module:
    """A small network trained on the people of the photographs."""
    np.random.seed(0)  # of the transforms
    backbone = {"model.backbone.extra": table("LITE", 1)}
    model = pose_model(RECIPE.format(recipe), **backbone)
    if recipe == "udp":
        nn.init.normal_(model.head.final_layer.weight, std=0.001)
    load, box, affine, pack = model.cfg.val_pipeline
    # Maps move with the person, as those of a network that has seen more people.
    moved = dict(
        type="RandomBBoxTransform",
        shift_factor=0.03,
        scale_factor=(0.95, 1.05),
        rotate_prob=0,
    )
    targets = dict(type="GenerateTarget", encoder=model.cfg.codec)
    people = DATASETS.build(
        dict(
            type="CocoDataset",
            data_root=str(PHOTOGRAPHS),
            ann_file="test_coco.json",
            pipeline=[load, box, moved, affine, targets, pack],
        )
    )
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, steps)
    model.train()
    for step in range(steps):
        if step == steps - 24:  # From here on statistics are those of all samples.
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.reset_running_stats()
                    module.momentum = None
        chosen = [people[(4 * step + k) % len(people)] for k in range(4)]
        batch = model.data_preprocessor(pseudo_collate(chosen), training=True)
        optimizer.zero_grad()
        model(**batch, mode="loss")["loss_kpt"].backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def photographs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images, with the boxes of their annotations and of a detector."""
    found = json.loads((PHOTOGRAPHS / "test_coco.json").read_text())
    people = json.loads((PHOTOGRAPHS / "test_coco_det_AP_H_56.json").read_text())
    people += found["annotations"]
    for info in found["images"]:
        image = cv2.imread(str(PHOTOGRAPHS / info["file_name"]))
        boxes = [p["bbox"] for p in people if p["image_id"] == info["id"]]
        x, y, width, height = np.array(boxes, np.float32).T
        yield image, np.stack((x, y, x + width, y + height), axis=1)


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
    for image, boxes in photographs():
        results = inference_topdown(model, image, boxes)
        points, likely = estimate(image, boxes)
        for k, (box, result) in enumerate(zip(boxes, results)):
            expected = result.pred_instances
            pixel = max((box[2:] - box[:2]) * 1.25 / (192, 256))
            away = np.linalg.norm((points[k] - expected.keypoints[0]) / pixel, axis=1)
            compared = expected.keypoint_scores[0] > least
            distances.append(away[compared])
            scores.append(np.abs(likely[k] - expected.keypoint_scores[0])[compared])
    return np.concatenate(distances), np.concatenate(scores).max()


def track_and_draw(rtmlib: Any, kind: str, path: Path, estimate: Any) -> None:
    """Run a file as `Custom` and `PoseTracker` do, and draw what they find."""
    image, _ = next(photographs())
    solution = partial(rtmlib.Custom, pose_class=kind, pose=str(path))
    points, scores = rtmlib.PoseTracker(solution)(image)
    np.testing.assert_array_equal(points, estimate(image)[0])
    drawn = rtmlib.draw_skeleton(image.copy(), points, scores, kpt_thr=0)
    assert (drawn != image).any()


def check(recipe: str, rtmlib: Any, folder: Path) -> bool:
    """Train, export and compare; print what comes out."""
    kind, steps, least = RECIPES[recipe]
    start, path = time.monotonic(), folder / f"{recipe}.onnx"
    model = trained(recipe, steps)
    model.test_cfg["flip_test"] = False  # which rtmlib has not
    export_onnx(model, path, (256, 192), rtmlib=True)
    estimate = getattr(rtmlib, kind)(str(path))
    track_and_draw(rtmlib, kind, path, estimate)
    for use_udp in (True, False) if recipe == "udp" else (False,):
        for step in model.cfg.test_dataloader.dataset.pipeline:
            if step["type"] == "TopdownAffine":
                step["use_udp"] = use_udp
        distances, score = compare(estimate, model, least)
        median, most, last = np.quantile(distances, (0.5, 0.99, 1))
        print(
            f"{recipe} in {kind}, cut out {'with' if use_udp else 'without'} UDP by "
            f"MMPose: {len(distances)} keypoints, distances in input pixels: median "
            f"{median:.4f}, 99% {most:.4f}, largest {last:.4f}; scores {score:.2g}",
            flush=True,
        )
    print(f"{time.monotonic() - start:.0f} s")
    return most <= LARGEST


def main() -> int:
    """Install rtmlib and check both recipes."""
    if not PHOTOGRAPHS.is_dir():
        raise SystemExit("no ../shared/data/coco")
    warnings.filterwarnings("ignore")
    with installed(PACKAGE) as folder:
        rtmlib = importlib.import_module("rtmlib")
        return int(not all([check(recipe, rtmlib, folder) for recipe in RECIPES]))


if __name__ == "__main__":
    sys.exit(main())
