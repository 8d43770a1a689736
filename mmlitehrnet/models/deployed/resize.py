"""Pooling to the lowest resolution, and repeating up from it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .forms import Form


def is_times(x: Tensor, size: Sequence[int], factor: int) -> bool:
    """Whether a map (N, C, H, W) is exactly that many times as large as a size."""
    return x.shape[2] == size[0] * factor and x.shape[3] == size[1] * factor


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
    if fixed or is_times(x, size, factor):
        return F.avg_pool2d(x, factor)
    return F.adaptive_avg_pool2d(x, size)


def repeat_to(x: Tensor, size: tuple[int, int], factor: int, fixed: bool) -> Tensor:
    """Repeat (N, C, h, w) up to a size, as nearest-neighbour upsampling does."""
    if factor == 1:
        return x
    if fixed:
        return F.interpolate(x, scale_factor=float(factor), mode="nearest")
    return F.interpolate(x, size=size, mode="nearest")


def times_repeated(x: Tensor, w: Tensor, factor: int, form: Form) -> Tensor:
    """Multiply (N, C, H, W) by (N, C, h, w), repeated up to it.

    In the plain layout, where sizes are fixed, columns are repeated by a product with
    a matrix of ones and zeros, and what comes out is broadcast over the rows of each
    cell.

    Args:
        x: A map.
        w: Weights, one for each cell.
        factor: Side of the cells where the image's sides are multiples of 32.
        form: Form of the network.
    """
    if not (form.plain and form.fixed) or factor == 1:
        return x * repeat_to(w, x.shape[2:], factor, form.fixed)
    shape, columns = x.shape, w.shape[3]
    ones = [[float(j // factor == i) for j in range(shape[3])] for i in range(columns)]
    rows = w @ torch.tensor(ones, dtype=w.dtype, device=w.device)
    tiles = x.reshape(-1, shape[1], shape[2] // factor, factor, shape[3])
    return (tiles * rows.unsqueeze(3)).reshape(-1, *shape[1:])


def bilinear_to(x: Tensor, size: tuple[int, int], fixed: bool) -> Tensor:
    """Interpolate (N, C, h, w) to about twice its size, corners aligned."""
    if fixed:
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)
