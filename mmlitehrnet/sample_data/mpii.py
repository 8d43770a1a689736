"""People in the layout and format of MPII as MMPose reads it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat

from . import crowd, output

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
FILES = (
    f"images/{'[0-9]' * 9}.jpg",
    "annotations/mpii_train.json",
    "annotations/mpii_val.json",
    "annotations/mpii_gt_val.mat",
)
# A MAT file starts with 116 bytes of text, where scipy writes the time.
_MAT_TEXT = b"MATLAB 5.0 MAT-file, generated sample data".ljust(116)


def make_mpii(
    out_dir: str | Path,
    num_train: int,
    num_val: int,
    seed: int = 0,
    size: Sequence[int] | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Write generated people in the layout of MPII.

    The folder gets ``images/``, ``annotations/mpii_{train,val}.json`` and
    ``annotations/mpii_gt_val.mat`` with the head boxes that PCKh is normalised by.
    Arguments, result and errors are those of :func:`make_coco`.
    """
    counts = {"train": num_train, "val": num_val}
    limits = (FILES, crowd.MIN_SIZE)
    out_dir = output.begin(out_dir, "mpii", *limits, counts, seed, size, overwrite)
    for split, count in counts.items():
        people, head_boxes = [], []
        for index, rng in output.pictures("mpii", seed, split, count, quiet):
            image, views = crowd.draw_crowd(rng, size)
            name = f"{output.FIRST_ID[split] + index:09d}.jpg"
            output.write_image(out_dir / "images" / name, image)
            shown = [view for view in views if view.visible >= crowd.MIN_VISIBLE]
            people += [_annotation(view, name) for view in shown]
            head_boxes += [view.figure.head_box + FIRST_PIXEL for view in shown]
        output.write_json(out_dir / f"annotations/mpii_{split}.json", people)
    truth = _ground_truth(people, head_boxes)
    (out_dir / "annotations/mpii_gt_val.mat").write_bytes(truth)
    return out_dir


def _annotation(view: crowd.PersonView, name: str) -> dict:
    """One person as the JSON files of MPII write it."""
    known = [int(view.flags[joint] > 0) for joint in JOINTS]
    points = [view.figure.joints[joint][:2] + FIRST_PIXEL for joint in JOINTS]
    # MPII's box is around the whole person, also where the image ends before it.
    low, high = view.figure.box.reshape(2, 2)
    return {
        "joints_vis": known,
        "joints": np.where(
            np.array(known)[:, None], np.round(points, 1), -1.0
        ).tolist(),
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
