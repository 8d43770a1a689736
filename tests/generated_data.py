"""Generated data in the formats that have no generator of their own.

The people are those of ``make_coco``. Keypoints that it does not know lie on circles
around those it knows: enough to run a data set, an evaluation and a step of training.
"""

import json
from pathlib import Path

import numpy as np
from mmdet.datasets import CocoDataset

from sample_data import make_aic, make_cityscapes, make_coco, make_imagenet, make_mpii
from tests.own_data import make_own_classes, make_own_data

LEFT_WRIST, RIGHT_WRIST, LEFT_ANKLE, RIGHT_ANKLE = 9, 10, 15, 16
NOSE = 0


def read(path):
    return json.loads(Path(path).read_text())


def write(path, content):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(content))


def circle(center, radius, count):
    """Flat (x, y, 2) triples of points around a keypoint, or zeros without one."""
    x, y, flag = center
    if not flag:
        return [0] * 3 * count
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
    points = np.stack(
        [x + radius * np.cos(turns), y + radius * np.sin(turns), np.full(count, 2)], 1
    )
    return np.round(points, 1).ravel().tolist()


def box_around(points):
    """Box x, y, width, height of flat triples; zeros where nothing is labelled."""
    points = np.array(points).reshape(-1, 3)
    points = points[points[:, 2] > 0, :2]
    if not len(points):
        return [0.0] * 4
    return [*points.min(0).tolist(), *np.ptp(points, axis=0).tolist()]


def whole_body(annotation):
    """The fields that COCO-WholeBody adds to a person of COCO."""
    joints = np.array(annotation["keypoints"]).reshape(-1, 3)
    size = max(annotation["bbox"][2:])
    feet = [
        circle(joints[ankle], 0.03 * size, 3) for ankle in (LEFT_ANKLE, RIGHT_ANKLE)
    ]
    added = {"foot_kpts": sum(feet, []), "foot_valid": any(sum(feet, []))}
    for part, joint, radius, count in (
        ("face", NOSE, 0.06, 68),
        ("lefthand", LEFT_WRIST, 0.04, 21),
        ("righthand", RIGHT_WRIST, 0.04, 21),
    ):
        points = circle(joints[joint], radius * size, count)
        added |= {
            f"{part}_kpts": points,
            f"{part}_box": box_around(points),
            f"{part}_valid": any(points),
        }
    return added


def add_whole_body(coco):
    """Write COCO-WholeBody's annotations beside those of a folder of make_coco."""
    for split in ("train", "val"):
        content = read(coco / f"annotations/person_keypoints_{split}2017.json")
        for annotation in content["annotations"]:
            annotation |= whole_body(annotation)
        write(coco / f"annotations/coco_wholebody_{split}_v1.0.json", content)


def add_instances(coco):
    """Write the annotations for detectors beside those of a folder of make_coco."""
    for split in ("train", "val"):
        content = read(coco / f"annotations/person_keypoints_{split}2017.json")
        content["categories"] = [
            {"id": number, "name": name}
            for number, name in enumerate(CocoDataset.METAINFO["classes"], 1)
        ]
        write(coco / f"annotations/instances_{split}2017.json", content)


def make_ap10k(folder, num_train, num_val):
    """Write people in the layout of AP-10K."""
    make_coco(folder, num_train, num_val, quiet=True)
    for split, source in (("train", "train"), ("val", "val"), ("test", "val")):
        content = read(folder / f"annotations/person_keypoints_{source}2017.json")
        write(folder / f"annotations/ap10k-{split}-split1.json", content)
    (folder / "data").mkdir()
    for image in [*folder.glob("train2017/*"), *folder.glob("val2017/*")]:
        image.rename(folder / "data" / image.name)


def make_all(folder):
    """Write a little data for every config, where they expect it."""
    data = folder / "data"
    coco = make_coco(data / "coco", 4, 1, quiet=True)
    add_whole_body(coco)
    add_instances(coco)
    make_mpii(data / "mpii", 3, 1, quiet=True)
    make_aic(data / "aic", 3, 1, quiet=True)
    make_ap10k(data / "ap10k", 3, 1)
    make_imagenet(data / "imagenet", 4, 2, size=(64, 80), quiet=True)
    make_own_data(data / "own", 2, 1)
    make_own_classes(data / "own_classes")
    streets = make_cityscapes(data / "cityscapes", 2, 1, size=(64, 128), quiet=True)
    (data / "sample_coco").symlink_to(coco)
    (data / "sample_cityscapes").symlink_to(streets)
