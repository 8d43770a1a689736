"""Random boxes in training, distributed as in the papers' released code.

MMPose's ``RandomBBoxTransform`` draws shift, scale and rotation from a normal
distribution that is truncated: what would lie beyond its ends is drawn again. The
released code clips what lies beyond to the ends, or draws uniformly.
"""

from __future__ import annotations

import math

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmpose.registry import TRANSFORMS

from .arguments import check_number


@TRANSFORMS.register_module(force=True)
class RandomBBoxShift(BaseTransform):
    """Shift boxes at random, by the same chance anywhere within a range.

    It belongs before ``RandomHalfBody``, which replaces the box, shift and all.

    Reads ``bbox_scale`` and changes ``bbox_center``, both (N, 2) in pixels.

    Args:
        shift_factor: Largest shift in x (y) as a part of the width (height) of the
            padded box. The released code's 0.2 is of the box without the padding of
            1.25.
        shift_prob: Probability of a shift.

    Raises:
        ValueError: If ``shift_factor`` is not a number of at least 0, or
            ``shift_prob`` not one from 0 to 1.
    """

    def __init__(self, shift_factor: float = 0.16, shift_prob: float = 0.3) -> None:
        super().__init__()
        check_number("shift_factor", shift_factor, 0, math.inf)
        check_number("shift_prob", shift_prob, 0, 1)
        self.shift_factor = shift_factor
        self.shift_prob = shift_prob

    @cache_randomness
    def _draw(self, num_boxes: int) -> np.ndarray:
        """Draw shifts of shape (N, 2) in parts of the box."""
        shifted = np.random.rand(num_boxes, 1) < self.shift_prob
        shift = np.random.uniform(-self.shift_factor, self.shift_factor, (num_boxes, 2))
        return np.where(shifted, shift, 0).astype(np.float32)

    def transform(self, results: dict) -> dict:
        """Shift the boxes of a sample."""
        scale = results["bbox_scale"]
        results["bbox_center"] = results["bbox_center"] + self._draw(len(scale)) * scale
        return results


@TRANSFORMS.register_module(force=True)
class RandomScaleRotation(BaseTransform):
    """Resize and rotate boxes at random, by clipped normal distributions.

    Of the scales, 16% are at each end of their range; of the rotations, 2%.

    Changes ``bbox_scale`` (N, 2), in pixels, and adds ``bbox_rotation`` (N,), in
    degrees.

    Args:
        scale_factor: Standard deviation of the scale around 1. Every box is resized,
            to ``1 - scale_factor`` at least and ``1 + scale_factor`` at most.
        rotate_factor: Standard deviation of the rotation in degrees. None is larger
            than twice it.
        rotate_prob: Probability of a rotation.

    Raises:
        ValueError: If ``scale_factor`` is not a number from 0 to 0.99,
            ``rotate_factor`` not one of at least 0, or ``rotate_prob`` not one from
            0 to 1.
    """

    def __init__(
        self,
        scale_factor: float = 0.25,
        rotate_factor: float = 30.0,
        rotate_prob: float = 0.6,
    ) -> None:
        super().__init__()
        # A factor of 1 would make boxes of no size.
        check_number("scale_factor", scale_factor, 0, 0.99)
        check_number("rotate_factor", rotate_factor, 0, math.inf)
        check_number("rotate_prob", rotate_prob, 0, 1)
        self.scale_factor = scale_factor
        self.rotate_factor = rotate_factor
        self.rotate_prob = rotate_prob

    @cache_randomness
    def _draw(self, num_boxes: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw scales of shape (N, 1) and rotations (N,) in degrees."""
        scale = 1 + self.scale_factor * np.random.randn(num_boxes, 1).clip(-1, 1)
        rotation = self.rotate_factor * np.random.randn(num_boxes).clip(-2, 2)
        rotated = np.random.rand(num_boxes) <= self.rotate_prob
        rotation = np.where(rotated, rotation, 0)
        return scale.astype(np.float32), rotation.astype(np.float32)

    def transform(self, results: dict) -> dict:
        """Resize and rotate the boxes of a sample."""
        scale, rotation = self._draw(len(results["bbox_scale"]))
        results["bbox_scale"] = results["bbox_scale"] * scale
        results["bbox_rotation"] = rotation
        return results
