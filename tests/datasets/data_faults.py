"""Faults of data: what is done to a good data set, and what is to come of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image

from mmlitehrnet.apis.model import network_from_config
from tests.robustness.recipes import small_config

TRAINS = None


# A fault is what is done to the folder of a data set (to an image in IMAGE_FAULTS), and
# a regular expression of our error, or TRAINS.


# -------------------------------------------------------------------- images
def first(folder: Path, pattern: str) -> Path:
    return sorted(folder.rglob(pattern))[0]


def pose_image(folder: Path) -> Path:
    return first(folder, "train2017/*.jpg")


def street_image(folder: Path) -> Path:
    return first(folder, "leftImg8bit/train/**/*.png")


def labels(folder: Path) -> Path:
    return first(folder, "gtFine/train/**/*_labelTrainIds.png")


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def save_as(path: Path, image: Image.Image, kind: str | None = None) -> None:
    """Replace an image; the name stays, whatever the kind."""
    image.save(path, kind or Image.registered_extensions()[path.suffix])


def convert(mode: str, kind: str | None = None) -> Callable[[Path], None]:
    return lambda path: save_as(path, Image.open(path).convert(mode), kind)


def deepen(path: Path) -> None:
    """Make it a PNG of 16 bits."""
    grey = np.array(Image.open(path).convert("L")).astype(np.uint16) * 257
    save_as(path, Image.fromarray(grey), "PNG")


def resize(width: int, height: int) -> Callable[[Path], None]:
    return lambda path: save_as(path, Image.open(path).resize((width, height)))


IMAGE_FAULTS = {
    "missing": (Path.unlink, r"{name}: FileNotFoundError"),
    "zero bytes": (lambda path: path.write_bytes(b""), r"{name}: the file is em"),
    "no image": (lambda path: path.write_bytes(b"text"), r"{name}.*(load|identify)"),
    "truncated": (cut, r"{name}.*(failed to load|truncated)"),
    "greyscale": (convert("L"), TRAINS),
    "16 bits": (deepen, TRAINS),
    "RGBA": (convert("RGBA", "PNG"), TRAINS),
    "CMYK": (convert("CMYK", "JPEG"), TRAINS),
}


# --------------------------------------------------------------- annotations
def edit(change: Callable[[dict, dict], object]) -> Callable[[Path], None]:
    """Change the content of the annotation file, whose first person is given, too."""

    def damage(folder: Path) -> None:
        path = folder / "annotations" / ANN
        content = json.loads(path.read_text())
        people = (a for a in content["annotations"] if a["num_keypoints"] > 5)
        change(content, next(people))
        path.write_text(json.dumps(content))

    return damage


def person(**fields) -> Callable[[Path], None]:
    return edit(lambda _, person: person.update(fields))


def everybody(**fields) -> Callable[[Path], None]:
    return edit(lambda content, _: [a.update(fields) for a in content["annotations"]])


def ann_file(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "annotations" / ANN).write_text(text)


def unlabel(_, person: dict) -> None:
    person["keypoints"][2::3] = [0] * 17


NAN = float("nan")
ANN = "person_keypoints_train2017.json"
POSE_FAULTS = {
    **{
        f"image {name}": (
            lambda folder, damage=damage: damage(pose_image(folder)),
            message and message.replace("{name}", r"0000\.jpg|001\.jpg"),
        )
        for name, (damage, message) in IMAGE_FAULTS.items()
    },
    "image 1x1, annotated larger": (
        lambda folder: resize(1, 1)(pose_image(folder)),
        r"001\.jpg: the image is of \(1, 1\) pixels.*says \(96, 96\)",
    ),
    "no visible keypoint": (person(keypoints=[0] * 51, num_keypoints=0), TRAINS),
    "keypoints unlabelled, counted as labelled": (
        edit(unlabel),
        ANN + r".*annotation \d+ .*num_keypoints must be the number of",
    ),
    "keypoints labelled, counted as unlabelled": (
        person(num_keypoints=0),
        ANN + r".*num_keypoints must be the number.* got 0",
    ),
    "nobody with a keypoint": (
        everybody(keypoints=[0] * 51, num_keypoints=0),
        ANN + ": there is nobody.* no keypoint is labelled",
    ),
    "nobody but crowds": (
        everybody(iscrowd=1),
        ANN + r": there is nobody.* iscrowd is 1: \d",
    ),
    "box outside the image": (person(bbox=[500, 500, 20, 20]), TRAINS),
    "box of zero size": (person(bbox=[10, 10, 0, 0]), TRAINS),
    "box with NaN": (
        person(bbox=[NAN, 10, 20, 20]),
        ANN + r".*annotation \d+ of image \d+: bbox must be four finite.*nan",
    ),
    "keypoints with NaN": (
        person(keypoints=[NAN, 10, 2] * 17),
        ANN + r".*annotation \d+ .*keypoints must be x, y and flag.*nan",
    ),
    "keypoints far outside": (
        person(keypoints=[1e9, -1e9, 2] * 17, num_keypoints=17),
        TRAINS,
    ),
    "visibility of -1": (
        person(keypoints=[10, 10, -1] * 17),
        ANN + r".*annotation \d+ .*keypoints must be .* no flag below 0",
    ),
    "sixteen keypoints": (
        person(keypoints=[10, 10, 2] * 16),
        ANN + r".*keypoints must be x, y and flag of each of the 17 keypoints",
    ),
    "no keypoints field": (edit(lambda _, p: p.pop("keypoints")), TRAINS),
    "ids of annotations used again": (
        everybody(id=7),
        ANN + r".*annotation 7 of image \d+: id must be an integer that no",
    ),
    "ids of images used again": (
        edit(lambda content, _: [i.update(id=7) for i in content["images"]]),
        ANN + r".*image 7 \(.*\): id must be an integer that no other",
    ),
    "image_id of no image": (
        everybody(image_id=-1),
        ANN + ": there is nobody.*image_id is of no image",
    ),
    "category of no category": (
        person(category_id=3),
        ANN + r".*category_id must be.*\[1\], got 3",
    ),
    "no categories": (
        edit(lambda content, _: content.pop("categories")),
        ANN + ".*categories must be a list, got nothing",
    ),
    "annotation file missing": (
        lambda folder: (folder / "annotations" / ANN).unlink(),
        ANN + ".*No such file",
    ),
    "annotation file cut off": (
        lambda folder: cut(folder / "annotations" / ANN),
        ANN + ": JSONDecodeError",
    ),
    "annotation file without its parts": (
        ann_file("{}"),
        ANN + ": file: images must be a l",
    ),
    "images without sizes": (
        edit(lambda content, _: [i.pop("width") for i in content["images"]]),
        ANN + r".*image \d+ \(.*\): width must be a positive integer, got nothing",
    ),
}


# -------------------------------------------------------------------- labels
def relabel(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = labels(folder)
        save_as(path, Image.fromarray(change(np.array(Image.open(path)))))

    return damage


def both(action: Callable[[Path], None]) -> Callable[[Path], None]:
    """Do the same to an image and its labels."""
    return lambda folder: [action(path(folder)) for path in (street_image, labels)]


SEG_FAULTS = {
    **{
        f"image {name}": (
            lambda folder, damage=damage: damage(street_image(folder)),
            message and message.replace("{name}", r"leftImg8bit\.png"),
        )
        for name, (damage, message) in IMAGE_FAULTS.items()
    },
    **{
        f"labels {name}": (
            lambda folder, damage=IMAGE_FAULTS[name][0]: damage(labels(folder)),
            IMAGE_FAULTS[name][1].replace("{name}", r"labelTrainIds\.png"),
        )
        for name in ("missing", "zero bytes", "no image", "truncated")
    },
    # A list of images is what the folder holds: one less is trained on.
    "image missing": (lambda folder: street_image(folder).unlink(), TRAINS),
    "image and labels 1x1": (
        both(resize(1, 1)),
        r"leftImg8bit\.png with \S+labelTrainIds\.png: ValueError",
    ),
    "labels of 16 bits": (
        relabel(lambda ids: ids.astype(np.uint16)),
        r"labelTrainIds\.png.*mode I;16",
    ),
    "labels all void": (relabel(lambda ids: np.full_like(ids, 255)), TRAINS),
    "folder of images missing": (
        lambda folder: shutil.rmtree(folder / "leftImg8bit/train"),
        r"leftImg8bit/train: FileNotFoundError",
    ),
}
FAULTS = {"pose": POSE_FAULTS, "seg": SEG_FAULTS}


# ----------------------------------------------------------------- what comes of it
def make_model(task: str, data: Path) -> torch.nn.Module:
    return network_from_config(small_config(task, data)).train()


def train_once(task: str, data: Path, model: torch.nn.Module) -> int:
    """Read the whole training set of a config and compute the losses of its batches.

    Returns:
        The number of samples.
    """
    cfg = small_config(task, data)
    init_default_scope(cfg.default_scope)
    np.random.seed(0)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    samples = [dataset[index] for index in range(len(dataset))]
    # Two samples a batch: a single one has no statistics everywhere.
    for start in range(0, len(samples), 2):
        batch = pseudo_collate(samples[start : start + 2])
        batch = model.data_preprocessor(batch, training=True)
        loss, _ = model.parse_losses(model(**batch, mode="loss"))
        model.zero_grad()
        loss.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        if not loss.isfinite() or not all(g.isfinite().all() for g in gradients):
            raise FloatingPointError(f"the loss is {loss.item()}")
    return len(samples)
