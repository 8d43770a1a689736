"""What stands between a backbone and the head of a classifier."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..layers.norm import BatchNorm2d


class ConcatAveragePooling(nn.Module):
    """Average each map over its positions, put the averages together, normalise them.

    A classifier on top sees every resolution, so that all paths of a high-resolution
    network are trained. The maps themselves are of very different size: each fusion
    of Lite-HRNet doubles what stays in the highest resolution, so that in an untrained
    Lite-HRNet-30 its values are about a hundred times those of the other maps.

    Args:
        in_channels: Channels of all maps together.

    Example:
        >>> import torch
        >>> from mmlitehrnet.models.necks import ConcatAveragePooling
        >>> maps = torch.rand(2, 40, 8, 8), torch.rand(2, 80, 4, 4)
        >>> [tuple(x.shape) for x in ConcatAveragePooling(120)(maps)]
        [(2, 120)]
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm = BatchNorm2d(in_channels)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor]:
        """Map tensors of shapes (N, C_i, H_i, W_i) to one of (N, in_channels)."""
        pooled = torch.cat([x.mean((2, 3), keepdim=True) for x in maps], 1)
        return (self.norm(pooled).flatten(1),)
