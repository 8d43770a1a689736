"""Transforms for MMPose: the random boxes of training. Imported with MMPose's."""

from .random_box import RandomBBoxShift, RandomScaleRotation

__all__ = ["RandomBBoxShift", "RandomScaleRotation"]
