"""Shapes in the layout of ImageNet as MMPretrain reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import output
from .drawing import Canvas, random_color

# Class: corners of a star, and their valleys' distance from the centre by the corners'.
SHAPES = {
    "triangle": (3, 0.5),
    "square": (4, 0.707),
    "cross": (4, 0.3),
    "star": (5, 0.42),
    "burst": (12, 0.72),
    "disc": (36, 1.0),
}
FILES = (
    f"train/*/{'[0-9]' * 8}.jpg",
    f"val/*/{'[0-9]' * 8}.jpg",
    "meta/train.txt",
    "meta/val.txt",
)


def make_imagenet(
    out_dir: str | Path,
    num_train: int,
    num_val: int,
    seed: int = 0,
    size: Sequence[int] = (160, 200),
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Write generated shapes in the layout of ImageNet.

    The folder gets ``train/`` and ``val/`` with a folder for each class, and
    ``meta/{train,val}.txt`` with the name and the label of each image. There are six
    classes, labelled 0 to 5, in turn. Images are at least 32x32; else arguments, result
    and errors are those of :func:`make_coco`.
    """
    counts = {"train": num_train, "val": num_val}
    limits = (FILES, (32, 32))
    out_dir = output.begin(out_dir, "imagenet", *limits, counts, seed, size, overwrite)
    (out_dir / "meta").mkdir()
    for split, count in counts.items():
        lines = []
        for name in SHAPES:
            (out_dir / split / name).mkdir(parents=True)
        for index, rng in output.pictures("imagenet", seed, split, count, quiet):
            label = index % len(SHAPES)
            name = f"{list(SHAPES)[label]}/{index:08d}.jpg"
            output.write_image(out_dir / split / name, draw_shape(rng, size, label))
            lines.append(f"{name} {label}\n")
        listing = out_dir / "meta" / f"{split}.txt"
        listing.write_text("".join(lines), encoding="utf-8")
    return out_dir


def draw_shape(rng: np.random.Generator, size: Sequence[int], label: int) -> np.ndarray:
    """Draw a shape of any colour, size and turn.

    Args:
        rng: Random generator.
        size: (height, width) in pixels.
        label: Number of the class in ``SHAPES``.

    Returns:
        RGB image of shape (H, W, 3), uint8.
    """
    height, width = size
    corners, valley = list(SHAPES.values())[label]
    image = np.empty((height, width, 3), np.uint8)
    image[:] = random_color(rng)
    canvas = Canvas(image, np.zeros((height, width), np.uint8))
    angles = rng.uniform(0, 2 * np.pi) + np.pi / corners * np.arange(2 * corners)
    radii = np.full((2 * corners, 1), rng.uniform(0.22, 0.42) * min(size))
    radii[1::2] *= valley
    center = rng.uniform(0.4, 0.6, 2) * (width, height)
    outline = center + radii * np.stack([np.cos(angles), np.sin(angles)], 1)
    canvas.polygon(outline, random_color(rng))
    return canvas.photograph(rng, (1, 7))
