"""The spatial weight of a map, known before the map is computed."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.tracing import FxLeaf, average_pool, size_of, upsample


class EarlyWeight(FxLeaf, nn.Module):
    """Spatial weight of ``conv(x * w) + bias``, from averages of x.

    The weight can so be multiplied into w, on the smallest map, and takes no pass over
    the largest. What each value of a kernel contributes to the average is the sum of
    x * w without the row and the column that it never meets: the first if it stands
    after the middle, the last if before.

    Args:
        conv: 3x3 depthwise convolution. Its bias is taken out, which the spatial weight
            is not a factor of when it is one of w.
        attention: Maps averages to weights.
    """

    def __init__(self, conv: Any, attention: nn.Module) -> None:
        super().__init__()
        self.attention = attention
        self.bias, conv.bias = conv.bias, None
        met = conv.weight.detach().flip(2, 3)
        self.whole = nn.Parameter(met.sum((2, 3), keepdim=True))
        # First and last row, first and last column, corners.
        self.rows = nn.Parameter(-met[:, :, ::2].sum(3, keepdim=True))
        self.columns = nn.Parameter(-met[..., ::2].sum(2, keepdim=True))
        self.corners = nn.Parameter(met[:, :, ::2, ::2].contiguous())

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """Compute the spatial weight (N, C, 1, 1).

        Args:
            x: Map (N, C, H, W).
            weight: The map w before it is upsampled, (N, C, h, w).
        """
        (height, width), (h, w) = size_of(x), size_of(weight)
        if height % h or width % w or h == 1 or w == 1:  # An edge is no row of cells.
            weight, h, w = upsample(weight, (height, width)), height, width
        # Runtimes find that the blocks compute the same averages.
        pooled = average_pool(x, (h, w))
        average = F.adaptive_avg_pool2d(pooled * weight, 1)
        total = F.conv2d(average, self.whole, self.bias, groups=len(self.bias))
        for kernel, rows, columns in (
            (self.rows, True, False),
            (self.columns, False, True),
            (self.corners, True, True),
        ):
            side = 1 if rows else height // h, 1 if columns else width // w
            step = height - 1 if rows else side[0], width - 1 if columns else side[1]
            ends = h - 1 if rows else 1, w - 1 if columns else 1
            edges = F.avg_pool2d(x, side, step) * F.avg_pool2d(weight, 1, ends)
            edges = F.avg_pool2d(edges, (1 if rows else h, 1 if columns else w))
            share = (height if rows else 1) * (width if columns else 1)
            total = total + F.conv2d(edges, kernel / share, groups=len(self.bias))
        return self.attention(total)[0]

    def of_bias(self, weight: Tensor) -> Tensor:
        """Multiply the bias that was taken out by the spatial weight."""
        return self.bias.view(1, -1, 1, 1) * weight
