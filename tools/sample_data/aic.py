"""People in the layout and format of AI Challenger, as MMPose reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import crowd
from .coco import annotation
from .output import FIRST_ID, Pictures, Writer, write_image, write_json

# AI Challenger's joints in order, by their names in a figure.
JOINTS = (
    "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee",
    "left_ankle", "head_top", "upper_neck",
)  # fmt: skip
IMAGES = {
    "train": "ai_challenger_keypoint_train_20170902/keypoint_train_images_20170902",
    "val": "ai_challenger_keypoint_validation_20170911/"
    "keypoint_validation_images_20170911",
}


def _write(folder: Path, size: Sequence[int] | None, pictures: Pictures) -> None:
    person = dict(id=1, name="person", supercategory="person", keypoints=JOINTS)
    for split, place in IMAGES.items():
        images, annotations = [], []
        for index, rng in pictures(split):
            image_id = FIRST_ID[split] + index
            image, views = crowd.draw_crowd(rng, size)
            name = f"{image_id:040d}.jpg"
            write_image(folder / place / name, image)
            height, width = image.shape[:2]
            images.append(dict(file_name=name, height=height, width=width, id=image_id))
            annotations += [
                annotation(view, JOINTS, image_id, image_id * 100 + number)
                for number, view in enumerate(views)
            ]
        content = dict(categories=[person], images=images, annotations=annotations)
        write_json(folder / f"annotations/aic_{split}.json", content)


# Images where AI Challenger's archives put them, and annotations of the two splits.
make_aic = Writer(
    "aic",
    _write,
    files=(
        *(f"{place}/{'[0-9]' * 40}.jpg" for place in IMAGES.values()),
        "annotations/aic_*.json",
    ),
    min_size=crowd.MIN_SIZE,
    size=None,
)
