"""People in the layout and format of MPII as MMPose reads it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat

from . import crowd
from .output import FIRST_ID, Pictures, Writer, write_image, write_json

# MPII's joints in order: the name in a figure and the name in ``mpii_gt_val.mat``.
JOINTS = {
    "right_ankle": "rank", "right_knee": "rkne", "right_hip": "rhip",
    "left_hip": "lhip", "left_knee": "lkne", "left_ankle": "lank",
    "pelvis": "pelv", "thorax": "thor", "upper_neck": "neck", "head_top": "head",
    "right_wrist": "rwri", "right_elbow": "relb", "right_shoulder": "rsho",
    "left_shoulder": "lsho", "left_elbow": "lelb", "left_wrist": "lwri",
}  # fmt: skip
# MPII gives the size of a person in units of 200 pixels, and counts pixels from 1.
PIXELS_PER_SCALE, FIRST_PIXEL = 200, 1
# A MAT file starts with 116 bytes of text, where scipy writes the time.
_MAT_TEXT = b"MATLAB 5.0 MAT-file, generated sample data".ljust(116)


def _annotation(view: crowd.PersonView, name: str) -> dict:
    """One person as the JSON files of MPII write it."""
    known = [int(view.flags[joint] > 0) for joint in JOINTS]
    points = [view.figure.joints[joint][:2] + FIRST_PIXEL for joint in JOINTS]
    # MPII's box is around the whole person, also where the image ends before it.
    low, high = view.figure.box.reshape(2, 2)
    joints = np.where(np.array(known)[:, None], np.round(points, 1), -1.0)
    return {
        "joints_vis": known,
        "joints": joints.tolist(),
        "image": name,
        "scale": round(float(max(high - low)) / PIXELS_PER_SCALE, 6),
        "center": np.round((low + high) / 2 + FIRST_PIXEL, 1).tolist(),
    }


def _ground_truth(people: list[dict], head_boxes: list[np.ndarray]) -> bytes:
    """The MAT file of MPII's evaluation."""
    shape = (len(people), len(JOINTS))
    joints = np.array([person["joints"] for person in people]).reshape(*shape, 2)
    known = np.array([person["joints_vis"] for person in people]).reshape(shape)
    boxes = np.array(head_boxes).reshape(-1, 2, 2)
    content = {
        "dataset_joints": np.array([list(JOINTS.values())], dtype=object),
        "jnt_missing": 1.0 - known.T,
        "pos_gt_src": joints.transpose(1, 2, 0),
        "headboxes_src": boxes.transpose(1, 2, 0),
    }
    buffer = io.BytesIO()
    savemat(buffer, content)
    return _MAT_TEXT + buffer.getvalue()[len(_MAT_TEXT) :]


def _write(folder: Path, size: Sequence[int] | None, pictures: Pictures) -> None:
    for split in ("train", "val"):
        people, head_boxes = [], []
        for index, rng in pictures(split):
            image, views = crowd.draw_crowd(rng, size)
            name = f"{FIRST_ID[split] + index:09d}.jpg"
            write_image(folder / "images" / name, image)
            shown = [view for view in views if view.visible >= crowd.MIN_VISIBLE]
            people += [_annotation(view, name) for view in shown]
            head_boxes += [view.figure.head_box + FIRST_PIXEL for view in shown]
        write_json(folder / f"annotations/mpii_{split}.json", people)
    truth = _ground_truth(people, head_boxes)
    (folder / "annotations/mpii_gt_val.mat").write_bytes(truth)


# Images, one file of annotations for each split, and the head boxes of the validation
# images in a MAT file, which PCKh is normalised by.
make_mpii = Writer(
    "mpii",
    _write,
    files=(
        f"images/{'[0-9]' * 9}.jpg",
        "annotations/mpii_train.json",
        "annotations/mpii_val.json",
        "annotations/mpii_gt_val.mat",
    ),
    min_size=crowd.MIN_SIZE,
    size=None,
)
