"""People in the layout and format of COCO keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from . import crowd
from .output import FIRST_ID, Pictures, Writer, write_image, write_json

KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
# Pairs of keypoints by number, counted from 1.
SKELETON = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7),
    (6, 8), (7, 9), (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5),
    (4, 6), (5, 7),
)  # fmt: skip
DETECTIONS = "person_detection_results/COCO_val2017_detections_AP_H_56_person.json"


def annotation(
    view: crowd.PersonView, names: Sequence[str], image_id: int, annotation_id: int
) -> dict:
    """One person as COCO writes it, but for the outline.

    Args:
        view: The person.
        names: Names of the keypoints, in the order of the format.
        image_id: Number of the image.
        annotation_id: Number of the person.
    """
    keypoints = np.zeros((len(names), 3), int)
    if view.visible >= crowd.MIN_VISIBLE:
        for row, name in zip(keypoints, names, strict=True):
            if view.flags[name]:
                row[:] = [*np.round(view.figure.joints[name][:2]), view.flags[name]]
    return {
        "num_keypoints": int(np.count_nonzero(keypoints[:, 2])),
        "area": float(np.count_nonzero(view.mask)),
        "iscrowd": 0,
        "keypoints": keypoints.ravel().tolist(),
        "image_id": image_id,
        "bbox": view.bbox.tolist(),
        "category_id": 1,
        "id": annotation_id,
    }


def _polygons(mask: np.ndarray, bbox: np.ndarray) -> list[list[float]]:
    """Outlines of a mask as COCO writes them: x0, y0, x1, y1, ... for each piece."""
    outlines, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    outlines = [cv2.approxPolyDP(outline, 0.7, True) for outline in outlines]
    x, y, width, height = bbox
    right, bottom = x + width, y + height
    # COCO's masks take three corners or more; what is smaller gets its box.
    return [
        line.ravel().astype(float).tolist() for line in outlines if len(line) > 2
    ] or [[x, y, right, y, right, bottom, x, bottom]]


def _detections(
    rng: np.random.Generator, annotation: dict, height: int, width: int
) -> list[dict]:
    """Boxes of a person as a good detector would give them, with a few mistakes."""
    found = []
    # Chance, deviation by the size of the box, and range of scores of each box.
    for chance, deviation, scores in (
        (1.0, 0.025, (0.7, 1.0)),
        (0.15, 0.1, (0.05, 0.4)),  # a second, worse box
        (0.1, 0.6, (0.01, 0.25)),  # a box of nobody
    ):
        if rng.random() < chance:
            x, y, wide, high = annotation["bbox"]
            dx, dy, *grown = rng.normal(0, deviation, 4) * (wide, high, wide, high)
            start = np.clip((x + dx, y + dy), 0, (width - 2, height - 2))
            end = start + (wide + grown[0], high + grown[1])
            end = np.clip(end, start + 1, (width, height))
            box = np.round([*start, *(end - start)], 2).tolist()
            record = dict(bbox=box, score=round(float(rng.uniform(*scores)), 4))
            ids = dict(image_id=annotation["image_id"], category_id=1)
            found.append(record | ids)
    return found


def _write(folder: Path, size: Sequence[int] | None, pictures: Pictures) -> None:
    category = dict(id=1, name="person", supercategory="person")
    header = {
        "info": {"description": "Generated people in the format of COCO keypoints"},
        "licenses": [{"url": "", "id": 1, "name": "Generated, free of rights"}],
        "categories": [category | {"keypoints": KEYPOINTS, "skeleton": SKELETON}],
    }
    for split in ("train", "val"):
        images, annotations, detections = [], [], []
        (folder / f"{split}2017").mkdir()
        for index, rng in pictures(split):
            image_id = FIRST_ID[split] + index
            image, views = crowd.draw_crowd(rng, size)
            name = f"{image_id:012d}.jpg"
            write_image(folder / f"{split}2017" / name, image)
            height, width = image.shape[:2]
            images.append(
                dict(file_name=name, height=height, width=width, id=image_id, license=1)
            )
            for number, view in enumerate(views):
                found = {
                    "segmentation": _polygons(view.mask, view.bbox),
                    **annotation(view, KEYPOINTS, image_id, image_id * 100 + number),
                }
                annotations.append(found)
                detections += _detections(rng, found, height, width)
        content = {**header, "images": images, "annotations": annotations}
        name = f"person_keypoints_{split}2017.json"
        write_json(folder / "annotations" / name, content)
    write_json(folder / DETECTIONS, detections)


# Images in ``train2017/`` and ``val2017/``, annotations of the two, and boxes of an
# imagined detector for the validation images.
make_coco = Writer(
    "coco",
    _write,
    files=(
        f"train2017/{'[0-9]' * 12}.jpg",
        f"val2017/{'[0-9]' * 12}.jpg",
        "annotations/person_keypoints_*2017.json",
        DETECTIONS,
    ),
    min_size=crowd.MIN_SIZE,
    size=None,
)
