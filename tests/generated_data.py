"""Generated data in the formats that have no generator of their own.

The people are those of ``make_coco``. Keypoints that it does not know lie anywhere in
the box: enough to run a data set, an evaluation and a step of training.
"""

import json
from pathlib import Path

import numpy as np
from mmdet.datasets import CocoDataset

from sample_data import make_aic, make_cityscapes, make_coco, make_imagenet, make_mpii
from tests.own_data import make_own_classes, make_own_data


def read(path):
    return json.loads(Path(path).read_text())


def write(path, content):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(content))


def add_parts(person, rng):
    """Add the fields of COCO-WholeBody to a person of COCO."""
    x, y, width, height = person["bbox"]
    for part, count in (("foot", 6), ("face", 68), ("lefthand", 21), ("righthand", 21)):
        points = rng.uniform((x, y, 2), (x + width, y + height, 2), (count, 3))
        person[f"{part}_kpts"] = points.round(1).ravel().tolist()
        person |= {f"{part}_box": person["bbox"], f"{part}_valid": True}


def add_whole_body(coco):
    """Write COCO-WholeBody's annotations beside those of a folder of make_coco."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        content = read(coco / f"annotations/person_keypoints_{split}2017.json")
        for annotation in content["annotations"]:
            add_parts(annotation, rng)
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
