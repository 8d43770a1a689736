"""Shapes in the layout of ImageNet as MMPretrain reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .drawing import Canvas, random_color
from .output import Pictures, Writer, write_image

# Class: corners of a star, and their valleys' distance from the centre by the corners'.
SHAPES = {
    "triangle": (3, 0.5),
    "square": (4, 0.707),
    "cross": (4, 0.3),
    "star": (5, 0.42),
    "burst": (12, 0.72),
    "disc": (36, 1.0),
}


def draw_shape(rng: np.random.Generator, size: Sequence[int], label: int) -> np.ndarray:
    """Draw a shape of any colour, size and turn as an RGB image, (H, W, 3) uint8."""
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


def _write(folder: Path, size: Sequence[int], pictures: Pictures) -> None:
    (folder / "meta").mkdir()
    for split in ("train", "val"):
        lines = []
        for name in SHAPES:
            (folder / split / name).mkdir(parents=True)
        for index, rng in pictures(split):
            label = index % len(SHAPES)
            name = f"{list(SHAPES)[label]}/{index:08d}.jpg"
            write_image(folder / split / name, draw_shape(rng, size, label))
            lines.append(f"{name} {label}\n")
        listing = folder / "meta" / f"{split}.txt"
        listing.write_text("".join(lines), encoding="utf-8")


# Folders ``train/`` and ``val/`` with one for each of the six classes, and
# ``meta/{train,val}.txt`` with the name and the label of each image, 0 to 5 in turn.
make_imagenet = Writer(
    "imagenet",
    _write,
    files=(
        f"train/*/{'[0-9]' * 8}.jpg",
        f"val/*/{'[0-9]' * 8}.jpg",
        "meta/train.txt",
        "meta/val.txt",
    ),
    min_size=(32, 32),
    size=(160, 200),
)
