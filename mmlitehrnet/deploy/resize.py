"""Pooling to the lowest resolution, and repeating up from it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def pool_to(x: Tensor, size: tuple[int, int], factor: int, fixed: bool) -> Tensor:
    """Average (N, C, H, W) over the windows of adaptive pooling.

    Args:
        x: A map.
        size: Cells (h, w).
        factor: Side of the windows where the image's sides are multiples of 32.
        fixed: Whether they are known to be.
    """
    if factor == 1:
        return x
    if fixed or x.shape[2:] == (size[0] * factor, size[1] * factor):
        return F.avg_pool2d(x, factor)
    return F.adaptive_avg_pool2d(x, size)


def repeat_to(x: Tensor, size: tuple[int, int], factor: int, fixed: bool) -> Tensor:
    """Repeat (N, C, h, w) up to a size, as nearest-neighbour upsampling does."""
    if factor == 1:
        return x
    if fixed:
        return F.interpolate(x, scale_factor=float(factor), mode="nearest")
    return F.interpolate(x, size=size, mode="nearest")


def bilinear_to(x: Tensor, size: tuple[int, int], fixed: bool) -> Tensor:
    """Interpolate (N, C, h, w) to about twice its size, corners aligned."""
    if fixed:
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)
