"""Transforms for MMPose, for training and evaluation. Imported with MMPose's."""

from .inclusive_box import InclusiveBBox
from .information_dropping import InformationDropping
from .random_box import RandomBBoxShift, RandomScaleRotation

__all__ = [
    "InclusiveBBox",
    "InformationDropping",
    "RandomBBoxShift",
    "RandomScaleRotation",
]
