"""Streets in the layout and format of Cityscapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import output, streets, traffic

# Made-up cities of each split; pictures go to them in turn.
CITIES = {
    "train": ("altstadt", "bergheim", "neuhafen", "seefeld"),
    "val": ("lindau", "rosental"),
}
MIN_SIZE = (64, 128)
FILES = (
    f"leftImg8bit/*/*/*_{'[0-9]' * 6}_000019_leftImg8bit.png",
    f"gtFine/*/*/*_{'[0-9]' * 6}_000019_gtFine_label*Ids.png",
)
# Index with an array of label ids to get train ids; 255 is void.
TRAIN_ID = np.full(256, 255, np.uint8)
TRAIN_ID[list(traffic.CLASSES.values())] = np.arange(len(traffic.CLASSES))


def make_cityscapes(
    out_dir: str | Path,
    num_train: int,
    num_val: int,
    seed: int = 0,
    size: Sequence[int] = (256, 512),
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Write generated streets in the layout of Cityscapes.

    The folder gets ``leftImg8bit/{train,val}/CITY/*_leftImg8bit.png`` and, in
    ``gtFine/{train,val}/CITY/``, ``*_gtFine_labelIds.png`` and
    ``*_gtFine_labelTrainIds.png``. All 19 classes occur in every few images, which are
    at least 64x128; else arguments, result and errors are those of :func:`make_coco`.
    """
    counts = {"train": num_train, "val": num_val}
    limits = (FILES, MIN_SIZE)
    out_dir = output.begin(
        out_dir, "cityscapes", *limits, counts, seed, size, overwrite
    )
    for split, count in counts.items():
        for index, rng in output.pictures("cityscapes", seed, split, count, quiet):
            image, ids = streets.draw_street(rng, size, index)
            number, turn = divmod(index, len(CITIES[split]))
            city = CITIES[split][turn]
            name = f"{split}/{city}/{city}_{number:06d}_000019"
            for file, content in (
                (f"leftImg8bit/{name}_leftImg8bit.png", image),
                (f"gtFine/{name}_gtFine_labelIds.png", ids),
                (f"gtFine/{name}_gtFine_labelTrainIds.png", TRAIN_ID[ids]),
            ):
                output.write_image(out_dir / file, content)
    return out_dir
