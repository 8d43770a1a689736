"""Shapes in the layout of ImageNet as MMPretrain reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmlitehrnet.sample_data import drawing, output

# Class: corners of a star, and their valleys' distance from the centre by the corners'.
SHAPES = {
    "triangle": (3, 0.5),
    "square": (4, 0.707),
    "cross": (4, 0.3),
    "star": (5, 0.42),
    "burst": (12, 0.72),
    "disc": (36, 1.0),
}
DEFAULT_SIZE = (160, 200)
MIN_SIZE = (32, 32)
# What is written to the folder, as `glob` patterns.
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
    size: Sequence[int] = DEFAULT_SIZE,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Writes generated shapes in the layout of ImageNet.

    The folder gets ``train/`` and ``val/`` with a folder for each class, and
    ``meta/{train,val}.txt`` with the name and the label of each image. There are six
    classes, labelled 0 to 5, in turn. The same arguments give the same bytes.

    Args:
        out_dir: Folder to write to; must be new or empty.
        num_train: Number of training images.
        num_val: Number of validation images.
        seed: Seed of everything random, 0 or larger.
        size: (height, width) of the images in pixels, at least 32x32.
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
        out_dir, "imagenet", counts, seed, size, MIN_SIZE, FILES, overwrite
    )
    (out_dir / "meta").mkdir()
    for split, count in counts.items():
        for name in SHAPES:
            (out_dir / split / name).mkdir(parents=True)
        lines = []
        for index in output.progress(count, f"ImageNet {split}", quiet):
            rng = output.generator("imagenet", seed, split, index)
            label = index % len(SHAPES)
            name = f"{list(SHAPES)[label]}/{index:08d}.jpg"
            output.write_image(out_dir / split / name, draw_shape(rng, size, label))
            lines.append(f"{name} {label}\n")
        listing = out_dir / "meta" / f"{split}.txt"
        listing.write_text("".join(lines), encoding="utf-8")
    return out_dir


def draw_shape(rng: np.random.Generator, size: Sequence[int], label: int) -> np.ndarray:
    """Draws a shape, of any colour, size and turn, on a textured ground.

    Args:
        rng: Random generator.
        size: (height, width) in pixels.
        label: Number of the class in ``SHAPES``.

    Returns:
        RGB image of shape (H, W, 3), uint8.
    """
    height, width = size
    corners, valley = list(SHAPES.values())[label]
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = drawing.random_color(rng)
    canvas *= (1 + 0.15 * drawing.noise(rng, (height, width), (60, 12, 4)))[..., None]
    angles = rng.uniform(0, 2 * np.pi) + np.pi / corners * np.arange(2 * corners)
    radii = np.full(2 * corners, rng.uniform(0.22, 0.42) * min(size))
    radii[1::2] *= valley
    center = rng.uniform(0.4, 0.6, 2) * (width, height)
    outline = center + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    drawing.polygon(canvas, None, outline, drawing.random_color(rng))
    return drawing.finish(rng, canvas)
