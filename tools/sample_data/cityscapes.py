"""Streets in the layout and format of Cityscapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import streets, traffic
from .output import Pictures, Writer, write_image

# Made-up cities of each split; pictures go to them in turn.
CITIES = {
    "train": ("altstadt", "bergheim", "neuhafen", "seefeld"),
    "val": ("lindau", "rosental"),
}
# Index with an array of label ids to get train ids; 255 is void.
TRAIN_ID = np.full(256, 255, np.uint8)
TRAIN_ID[list(traffic.CLASSES.values())] = np.arange(len(traffic.CLASSES))


def _write(folder: Path, size: Sequence[int], pictures: Pictures) -> None:
    for split, cities in CITIES.items():
        for index, rng in pictures(split):
            image, ids = streets.draw_street(rng, size, index)
            number, turn = divmod(index, len(cities))
            name = f"{split}/{cities[turn]}/{cities[turn]}_{number:06d}_000019"
            for file, content in (
                (f"leftImg8bit/{name}_leftImg8bit.png", image),
                (f"gtFine/{name}_gtFine_labelIds.png", ids),
                (f"gtFine/{name}_gtFine_labelTrainIds.png", TRAIN_ID[ids]),
            ):
                write_image(folder / file, content)


# Images ``leftImg8bit/{train,val}/CITY/*_leftImg8bit.png``, and for each of them
# ``*_gtFine_labelIds.png`` and ``*_gtFine_labelTrainIds.png`` in
# ``gtFine/{train,val}/CITY/``. All 19 classes occur in every few images.
make_cityscapes = Writer(
    "cityscapes",
    _write,
    files=(
        f"leftImg8bit/*/*/*_{'[0-9]' * 6}_000019_leftImg8bit.png",
        f"gtFine/*/*/*_{'[0-9]' * 6}_000019_gtFine_label*Ids.png",
    ),
    min_size=(64, 128),
    size=(256, 512),
)
