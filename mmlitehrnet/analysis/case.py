"""An image of an evaluation, rated."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """A rated image.

    Attributes:
        name: Name of the image.
        score: How well it was done, the higher the better.
        details: What the score is made of, for JSON.
        draw: Draws image, truth and prediction, (H, W, 3) uint8, blue, green, red.
    """

    name: str
    score: float
    details: dict
    draw: Callable[[], np.ndarray]
