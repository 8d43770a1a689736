"""Faults of data: what is done to a good data set, and what is to come of it.

A fault is what is done to the folder of a data set, and a regular expression of our
error, or TRAINS.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Damage = Callable[[Path], object]
Fault = tuple[Damage, str | None]
TRAINS = None
PHOTO = "train2017/*.jpg"
STREET = "leftImg8bit/train/*/*.png"
LABELS = "gtFine/train/*/*_labelTrainIds.png"
ANN = "annotations/person_keypoints_train2017.json"
NAN = float("nan")


def at(pattern: str, damage: Damage) -> Damage:
    """Damage the first file of that name."""
    return lambda folder: damage(sorted(folder.glob(pattern))[0])


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def redraw(change: Callable[[Image.Image], Image.Image], kind: str = "PNG") -> Damage:
    """Replace an image; the name stays, whatever the kind."""
    return lambda path: change(Image.open(path)).save(path, kind)


def convert(mode: str, kind: str = "PNG") -> Damage:
    return redraw(lambda image: image.convert(mode), kind)


def relabel(change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    return redraw(lambda image: Image.fromarray(change(np.array(image))))


deepen = relabel(lambda values: values.astype(np.uint16) * 257)
shrink = redraw(lambda image: image.resize((1, 1)))
IMAGE_FAULTS = {
    "missing": (Path.unlink, ": FileNotFoundError"),
    "zero bytes": (lambda path: path.write_bytes(b""), ": the file is empty"),
    "no image": (lambda path: path.write_bytes(b"text"), ".*(load|identify)"),
    "truncated": (cut, ".*(failed to load|truncated)"),
    "greyscale": (convert("L"), TRAINS),
    "16 bits": (lambda path: convert("L")(path) or deepen(path), TRAINS),
    "RGBA": (convert("RGBA"), TRAINS),
    "CMYK": (convert("CMYK", "JPEG"), TRAINS),
}


def image_faults(pattern: str, *names: str) -> dict[str, Fault]:
    suffix, faults = pattern.rpartition("*")[2], {}
    for name in names:
        damage, said = IMAGE_FAULTS[name]
        faults[f"{suffix} {name}"] = at(pattern, damage), said and suffix + said
    return faults


def edit(change: Callable[[dict, dict], object]) -> Damage:
    """Change the content of the annotation file, whose first person is given, too."""

    def damage(folder: Path) -> None:
        content = json.loads((folder / ANN).read_text())
        people = (a for a in content["annotations"] if a["num_keypoints"] > 5)
        change(content, next(people))
        (folder / ANN).write_text(json.dumps(content))

    return damage


def person(**fields: object) -> Damage:
    return edit(lambda _, person: person.update(fields))


def every(part: str, **fields: object) -> Damage:
    return edit(lambda content, _: [one.update(fields) for one in content[part]])


#: What is said of the annotation file.
ANNOTATION_FAULTS = [
    (person(num_keypoints=0), r"annotation \d+ .*num_keypoints must be the .* got 0"),
    (person(bbox=[NAN, 1, 2, 3]), r"annotation \d+ of image \d+: bbox must be .*nan"),
    (person(keypoints=[NAN, 10, 2] * 17), r"annotation \d+ .*keypoints must be .*nan"),
    (person(keypoints=[1, 1, -1] * 17), "keypoints must be .* no flag below 0"),
    (person(keypoints=[10, 10, 2] * 16), "keypoints must be .*each of the 17 keypoi"),
    (person(category_id=3), r"category_id must be.*\[1\], got 3"),
    (every("annotations", id=7), r"annotation 7 of image \d+: id must be an int.* no"),
    (every("annotations", image_id=-1), "there is nobody.*image_id is of no image"),
    (
        every("annotations", keypoints=[0] * 51, num_keypoints=0),
        "there is nobody.* no keypoint is labelled",
    ),
    (every("annotations", iscrowd=1), r"there is nobody.* iscrowd is 1: \d"),
    (every("images", id=7), r"image 7 \(.*\): id must be an integer that no other"),
    (every("images", width=None), r"image \d+ \(.*\): width must be a pos.*got None"),
    (edit(lambda content, _: content.pop("categories")), "must be a list, got nothing"),
    (at(ANN, Path.unlink), "No such file"),
    (at(ANN, cut), "JSONDecodeError"),
    (at(ANN, lambda path: path.write_text("{}")), "file: images must be a list"),
]
POSE_FAULTS: dict[str, Fault] = {
    **image_faults(PHOTO, *IMAGE_FAULTS),
    **{said: (damage, f"{ANN}.*{said}") for damage, said in ANNOTATION_FAULTS},
    "image 1x1, annotated larger": (
        at(PHOTO, shrink),
        r"\.jpg: the image is of \(1, 1\) pixels.*says \(96, 96\)",
    ),
    "box outside the image": (person(bbox=[500, 500, 20, 20]), TRAINS),
    "box of zero size": (person(bbox=[10, 10, 0, 0]), TRAINS),
    "keypoints far outside": (
        person(keypoints=[1e9, -1e9, 2] * 17, num_keypoints=17),
        TRAINS,
    ),
    "no keypoints field": (edit(lambda _, person: person.pop("keypoints")), TRAINS),
}
SEG_FAULTS: dict[str, Fault] = {
    **image_faults(STREET, "zero bytes", "no image", "truncated", "16 bits", "RGBA"),
    **image_faults(LABELS, "missing", "zero bytes", "no image", "truncated"),
    # A list of images is what the folder holds: one less is trained on.
    "image missing": (at(STREET, Path.unlink), TRAINS),
    "image and labels 1x1": (
        lambda folder: [at(name, shrink)(folder) for name in (STREET, LABELS)],
        r"leftImg8bit\.png with \S+labelTrainIds\.png: ValueError",
    ),
    "labels of 16 bits": (at(LABELS, deepen), r"labelTrainIds\.png.*mode I;16"),
    "labels all void": (
        at(LABELS, relabel(lambda ids: np.full_like(ids, 255))),
        TRAINS,
    ),
    "folder of images missing": (
        lambda folder: shutil.rmtree(folder / "leftImg8bit/train"),
        r"leftImg8bit/train: FileNotFoundError",
    ),
}
FAULTS = {"pose": POSE_FAULTS, "seg": SEG_FAULTS}
