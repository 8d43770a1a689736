"""Pooling to the lowest resolution, and upsampling from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .forms import Form


def size_of(x: Tensor) -> tuple[int, int]:
    """Height and width of a map (N, C, H, W)."""
    height, width = x.shape[2:]
    return height, width


def has_factor(x: Tensor, size: Sequence[int], factor: int) -> bool:
    """Whether a map (N, C, H, W) is exactly that many times as large as a size."""
    return x.shape[2] == size[0] * factor and x.shape[3] == size[1] * factor


def means(xs: Sequence[Tensor]) -> Tensor:
    """Averages over all positions, concatenated along the channels."""
    return concatenated([F.adaptive_avg_pool2d(x, 1) for x in xs])


def concatenated(maps: Sequence[Tensor]) -> Tensor:
    """Concatenate maps along their channels."""
    return maps[0] if len(maps) == 1 else torch.cat(list(maps), dim=1)


def pool_to(x: Tensor, size: tuple[int, int], factor: int, form: Form) -> Tensor:
    """Average (N, C, H, W) over the windows of adaptive pooling.

    Args:
        x: A map.
        size: Cells (h, w).
        factor: Side of the windows where the image's sides are multiples of 32.
        form: Form of the network.
    """
    if factor == 1:
        return x
    if form.even_sizes or has_factor(x, size, factor):
        return F.avg_pool2d(x, factor)
    return F.adaptive_avg_pool2d(x, size)


def upsample_to(x: Tensor, size: tuple[int, int], factor: int, form: Form) -> Tensor:
    """Repeat (N, C, h, w) up to a size, as nearest-neighbour upsampling does."""
    if factor == 1:
        return x
    if form.even_sizes:
        return F.interpolate(x, scale_factor=float(factor), mode="nearest")
    return F.interpolate(x, size=size, mode="nearest")


def by_rows(
    operation: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, factor: int
) -> Tensor:
    """Add or multiply a map and a lower one, upsampled (nearest).

    Only columns are repeated; what comes out is broadcast over the rows of each cell.

    Args:
        operation: Adds or multiplies, not in place.
        x: A map (N, C, H, W).
        y: The lower one (N, C, H / factor, W / factor).
        factor: Side of the cells.
    """
    rows = F.interpolate(y, scale_factor=(1.0, float(factor)), mode="nearest")
    samples, channels, height, width = x.shape
    tiles = x.reshape(samples, channels, height // factor, factor, width)
    # Not unsqueeze: what ncnn has for it takes no packed channels.
    rows = rows.reshape(samples, channels, height // factor, 1, width)
    return operation(tiles, rows).reshape(samples, channels, height, width)


def expand(x: Tensor, size: tuple[int, int], form: Form) -> Tensor:
    """Make (N, C, 1, 1) fit for a product with maps of a size."""
    if not form.expands:
        return x
    factors = float(size[0]), float(size[1])
    return F.interpolate(x, scale_factor=factors, mode="nearest")


def multiply_upsampled(x: Tensor, w: Tensor, factor: int, form: Form) -> Tensor:
    """Multiply (N, C, H, W) by (N, C, h, w), upsampled (nearest).

    In NCHW, where sizes are even, columns are repeated by a product with a matrix of
    ones and zeros, and what comes out is broadcast over the rows of each cell.

    Args:
        x: A map.
        w: Weights, one for each cell.
        factor: Side of the cells where the image's sides are multiples of 32.
        form: Form of the network.
    """
    if form.rows and factor > 1 and has_factor(x, size_of(w), factor):
        return by_rows(torch.mul, x, w, factor)
    if not (form.halves and form.even_sizes) or factor == 1:
        return x * upsample_to(w, size_of(x), factor, form)
    shape, columns = x.shape, w.shape[3]
    ones = [[float(j // factor == i) for j in range(shape[3])] for i in range(columns)]
    rows = w @ torch.tensor(ones, dtype=w.dtype, device=w.device)
    tiles = x.reshape(-1, shape[1], shape[2] // factor, factor, shape[3])
    return (tiles * rows.unsqueeze(3)).reshape(-1, *shape[1:])
