"""Streets in the layout and format of Cityscapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmlitehrnet.sample_data import output, scenes
from mmlitehrnet.sample_data.city_labels import TRAIN_ID

# Made-up cities of each split; pictures go to them in turn.
CITIES = {
    "train": ("altstadt", "bergheim", "neuhafen", "seefeld"),
    "val": ("lindau", "rosental"),
}
DEFAULT_SIZE = (256, 512)
# What is written to the folder, as `glob` patterns.
FILES = (
    f"leftImg8bit/*/*/*_{'[0-9]' * 6}_000019_leftImg8bit.png",
    f"gtFine/*/*/*_{'[0-9]' * 6}_000019_gtFine_label*Ids.png",
)


def make_cityscapes(
    out_dir: str | Path,
    num_train: int,
    num_val: int,
    seed: int = 0,
    size: Sequence[int] = DEFAULT_SIZE,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Writes generated streets in the layout of Cityscapes.

    The folder gets ``leftImg8bit/{train,val}/CITY/*_leftImg8bit.png`` and, in
    ``gtFine/{train,val}/CITY/``, ``*_gtFine_labelIds.png`` and
    ``*_gtFine_labelTrainIds.png``. All 19 classes occur in every few images. The same
    arguments give the same bytes.

    Args:
        out_dir: Folder to write to; must be new or empty.
        num_train: Number of training images.
        num_val: Number of validation images.
        seed: Seed of everything random, 0 or larger.
        size: (height, width) of the images in pixels, at least 64x128.
        overwrite: Whether data that this function wrote before may be replaced.
        quiet: Whether to show no progress bar.

    Returns:
        The folder.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If the folder is not empty, see ``overwrite``.
    """
    counts = {"train": num_train, "val": num_val}
    parts = ("leftImg8bit", "gtFine")
    out_dir = output.begin(
        out_dir, "cityscapes", counts, seed, size, scenes.MIN_SIZE, FILES, overwrite
    )
    for split, count in counts.items():
        for part in parts:
            for city in CITIES[split]:
                (out_dir / part / split / city).mkdir(parents=True)
        for index in output.progress(count, f"Cityscapes {split}", quiet):
            rng = output.generator("cityscapes", seed, split, index)
            image, ids = scenes.draw_street(rng, tuple(size), index)
            number, turn = divmod(index, len(CITIES[split]))
            city = CITIES[split][turn]
            stem = f"{city}_{number:06d}_000019"
            truth = out_dir / "gtFine" / split / city / f"{stem}_gtFine"
            picture = out_dir / "leftImg8bit" / split / city
            output.write_image(picture / f"{stem}_leftImg8bit.png", image)
            for kind, labels in (("labelIds", ids), ("labelTrainIds", TRAIN_ID[ids])):
                path = truth.with_name(f"{truth.name}_{kind}.png")
                output.write_image(path, np.ascontiguousarray(labels))
    return out_dir
