"""People in the layout and format of COCO keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mmlitehrnet.sample_data import crowd, output

KEYPOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
# Pairs of keypoints by number, counted from 1.
SKELETON = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7),
    (6, 8), (7, 9), (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5),
    (4, 6), (5, 7),
)  # fmt: skip
DETECTIONS = "person_detection_results/COCO_val2017_detections_AP_H_56_person.json"
# First image of each split, so that no two images share a number.
FIRST_ID = {"train": 1, "val": 500_001}
# What is written to the folder, as `glob` patterns.
FILES = (
    f"train2017/{'[0-9]' * 12}.jpg",
    f"val2017/{'[0-9]' * 12}.jpg",
    "annotations/person_keypoints_*2017.json",
    DETECTIONS,
)


def make_coco(
    out_dir: str | Path,
    num_train: int,
    num_val: int,
    seed: int = 0,
    size: Sequence[int] | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Writes generated people in the layout of COCO.

    The folder gets ``train2017/`` and ``val2017/`` with the images,
    ``annotations/person_keypoints_{train,val}2017.json``, and boxes of an imagined
    detector for the validation images in ``person_detection_results/``. The same
    arguments give the same bytes.

    Args:
        out_dir: Folder to write to; must be new or empty.
        num_train: Number of training images, with about three people each.
        num_val: Number of validation images.
        seed: Seed of everything random, 0 or larger.
        size: (height, width) of the images in pixels, at least 96x96; by chance
            around 270x360 if None.
        overwrite: Whether data that this function wrote before may be replaced.
        quiet: Whether to show no progress bar.

    Returns:
        The folder.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If the folder is not empty, see ``overwrite``.
    """
    counts = {"train": num_train, "val": num_val}
    out_dir = output.begin(
        out_dir, "coco", counts, seed, size, crowd.MIN_SIZE, FILES, overwrite
    )
    for path in FILES:
        (out_dir / path).parent.mkdir()
    for split, count in counts.items():
        images, annotations, detections = [], [], []
        for index in output.progress(count, f"COCO {split}", quiet):
            rng = output.generator("coco", seed, split, index)
            image_id = FIRST_ID[split] + index
            image, views = crowd.draw_crowd(rng, size)
            name = f"{image_id:012d}.jpg"
            output.write_image(out_dir / f"{split}2017" / name, image)
            images.append(_image_record(name, image_id, image.shape))
            found = [
                _annotation(view, image_id, image_id * 100 + number)
                for number, view in enumerate(views)
            ]
            annotations += found
            if split == "val":
                detections += _detections(rng, found, image_id, image.shape)
        content = {**_header(), "images": images, "annotations": annotations}
        name = f"person_keypoints_{split}2017.json"
        output.write_json(out_dir / "annotations" / name, content)
        if split == "val":
            output.write_json(out_dir / DETECTIONS, detections)
    return out_dir


def _header() -> dict:
    """The parts of an annotation file that do not depend on the images."""
    return {
        "info": {
            "description": "Generated people in the format of COCO keypoints",
            "url": "",
            "version": "1.0",
            "year": 2017,
            "contributor": "mmlitehrnet.sample_data",
            "date_created": "2017/01/01",
        },
        "licenses": [{"url": "", "id": 1, "name": "Generated, free of rights"}],
        "categories": [
            {
                "supercategory": "person",
                "id": 1,
                "name": "person",
                "keypoints": list(KEYPOINTS),
                "skeleton": [list(pair) for pair in SKELETON],
            }
        ],
    }


def _image_record(name: str, image_id: int, shape: Sequence[int]) -> dict:
    return {
        "license": 1,
        "file_name": name,
        "coco_url": "",
        "height": shape[0],
        "width": shape[1],
        "date_captured": "2017-01-01 00:00:00",
        "flickr_url": "",
        "id": image_id,
    }


def _annotation(view: crowd.PersonView, image_id: int, annotation_id: int) -> dict:
    """One person as COCO writes it."""
    keypoints = np.zeros((len(KEYPOINTS), 3), int)
    if view.visible >= crowd.MIN_VISIBLE:
        for row, name in zip(keypoints, KEYPOINTS, strict=True):
            if view.flags[name]:
                row[:2] = np.round(view.figure.joints[name][:2])
                row[2] = view.flags[name]
    return {
        "segmentation": polygons(view.mask),
        "num_keypoints": int(np.count_nonzero(keypoints[:, 2])),
        "area": float(np.count_nonzero(view.mask)),
        "iscrowd": 0,
        "keypoints": keypoints.ravel().tolist(),
        "image_id": image_id,
        "bbox": view.bbox.tolist(),
        "category_id": 1,
        "id": annotation_id,
    }


def polygons(mask: np.ndarray) -> list[list[float]]:
    """Outlines of a mask as COCO writes them.

    Args:
        mask: (H, W) bool.

    Returns:
        Flat lists x0, y0, x1, y1, ... in pixels, one for each piece of the mask.
    """
    outlines, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    outlines = [cv2.approxPolyDP(outline, 0.7, True) for outline in outlines]
    # COCO's masks take three corners or more.
    found = [
        line.reshape(-1).astype(float).tolist() for line in outlines if len(line) > 2
    ]
    if not found:
        x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
        right, bottom = x + width, y + height
        found = [[float(v) for v in (x, y, right, y, right, bottom, x, bottom)]]
    return found


def _detections(
    rng: np.random.Generator,
    annotations: list[dict],
    image_id: int,
    shape: Sequence[int],
) -> list[dict]:
    """Boxes as a good detector would give them, with a few mistakes."""
    height, width = shape[:2]

    def record(box: np.ndarray, score: float) -> dict:
        low = np.clip(box[:2], 0, (width - 2, height - 2))
        high = np.clip(box[:2] + box[2:], low + 1, (width, height))
        return {
            "bbox": np.round([*low, *(high - low)], 2).tolist(),
            "category_id": 1,
            "image_id": image_id,
            "score": round(float(score), 4),
        }

    found = []
    for annotation in annotations:
        box = np.array(annotation["bbox"])
        extent = np.tile(box[2:], 2)
        found.append(
            record(box + rng.normal(0, 0.025, 4) * extent, rng.uniform(0.7, 1.0))
        )
        if rng.random() < 0.15:  # a second, worse box of the same person
            worse = box + rng.normal(0, 0.1, 4) * extent
            found.append(record(worse, rng.uniform(0.05, 0.4)))
    for _ in range(rng.poisson(0.3)):
        extent = rng.uniform(0.1, 0.4, 2) * (width, height)
        corner = rng.uniform(0, 1, 2) * ((width, height) - extent)
        found.append(record(np.concatenate([corner, extent]), rng.uniform(0.01, 0.25)))
    return found
