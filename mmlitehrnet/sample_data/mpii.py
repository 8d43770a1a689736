"""People in the layout and format of MPII as MMPose reads it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat

from mmlitehrnet.sample_data import crowd, output

# MPII's joints in order: the name in a figure and the name in ``mpii_gt_val.mat``.
JOINTS = (
    ("right_ankle", "rank"),
    ("right_knee", "rkne"),
    ("right_hip", "rhip"),
    ("left_hip", "lhip"),
    ("left_knee", "lkne"),
    ("left_ankle", "lank"),
    ("pelvis", "pelv"),
    ("thorax", "thor"),
    ("upper_neck", "neck"),
    ("head_top", "head"),
    ("right_wrist", "rwri"),
    ("right_elbow", "relb"),
    ("right_shoulder", "rsho"),
    ("left_shoulder", "lsho"),
    ("left_elbow", "lelb"),
    ("left_wrist", "lwri"),
)
# MPII gives the size of a person in units of 200 pixels.
PIXELS_PER_SCALE = 200
# MPII counts pixels from 1.
FIRST_PIXEL = 1
FIRST_ID = {"train": 1, "val": 500_001}
# What is written to the folder, as `glob` patterns.
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
    """Writes generated people in the layout of MPII.

    The folder gets ``images/``, ``annotations/mpii_{train,val}.json`` and
    ``annotations/mpii_gt_val.mat`` with the head boxes that PCKh is normalised by.
    The same arguments give the same bytes.

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
        out_dir, "mpii", counts, seed, size, crowd.MIN_SIZE, FILES, overwrite
    )
    for part in ("images", "annotations"):
        (out_dir / part).mkdir()
    for split, count in counts.items():
        people, head_boxes = [], []
        for index in output.progress(count, f"MPII {split}", quiet):
            rng = output.generator("mpii", seed, split, index)
            image, views = crowd.draw_crowd(rng, size)
            name = f"{FIRST_ID[split] + index:09d}.jpg"
            output.write_image(out_dir / "images" / name, image)
            for view in views:
                if view.visible >= crowd.MIN_VISIBLE:
                    people.append(_annotation(view, name))
                    head_boxes.append(view.figure.head_box + FIRST_PIXEL)
        folder = out_dir / "annotations"
        output.write_json(folder / f"mpii_{split}.json", people)
        if split == "val":
            (folder / "mpii_gt_val.mat").write_bytes(_ground_truth(people, head_boxes))
    return out_dir


def _annotation(view: crowd.PersonView, name: str) -> dict:
    """One person as the JSON files of MPII write it."""
    joints = np.full((len(JOINTS), 2), -1.0)
    labelled = np.zeros(len(JOINTS), int)
    for index, (joint, _) in enumerate(JOINTS):
        if view.flags[joint]:
            point = view.figure.joints[joint][:2] + FIRST_PIXEL
            joints[index], labelled[index] = np.round(point, 1), 1
    # MPII's box is around the whole person, also where the image ends before it.
    box = view.figure.box
    extent = max(box[2:] - box[:2])
    return {
        "joints_vis": labelled.tolist(),
        "joints": joints.tolist(),
        "image": name,
        "scale": round(float(extent) / PIXELS_PER_SCALE, 6),
        "center": np.round((box[:2] + box[2:]) / 2 + FIRST_PIXEL, 1).tolist(),
    }


def _ground_truth(people: list[dict], head_boxes: list[np.ndarray]) -> bytes:
    """The MAT file of MPII's evaluation."""
    count = len(people)
    joints = np.array([person["joints"] for person in people]).reshape(
        count, len(JOINTS), 2
    )
    labelled = np.array([person["joints_vis"] for person in people])
    names = np.array([[short for _, short in JOINTS]], dtype=object)
    boxes = np.array(head_boxes).reshape(count, 2, 2)
    buffer = io.BytesIO()
    savemat(
        buffer,
        {
            "dataset_joints": names,
            "jnt_missing": 1.0 - labelled.reshape(count, len(JOINTS)).T,
            "pos_gt_src": joints.transpose(1, 2, 0),
            "headboxes_src": boxes.transpose(1, 2, 0),
        },
    )
    content = bytearray(buffer.getvalue())
    content[: len(_MAT_TEXT)] = _MAT_TEXT
    return bytes(content)
