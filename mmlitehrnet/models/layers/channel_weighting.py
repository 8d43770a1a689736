"""Conditional channel weighting, the block of Lite-HRNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from .depthwise import depthwise_convs
from .norm import BN
from .per_branch import PerBranch
from .shuffle import ChannelSplitBlock
from .tracing import average_pool, size_of

SPATIAL_REDUCTION = 4


class ConditionalChannelWeighting(ChannelSplitBlock):
    """Shuffle block with weights in the place of its 1x1 convolutions.

    Half of each branch's channels is weighted across resolutions, convolved
    (3x3 depthwise), and weighted spatially (Lite-HRNet, section 3.2, Fig. 1 b).
    Without one of the weightings it is the paper's ablation (Table 5).

    Args:
        channels: Widths C_i of the branches; even.
        reduce_ratio: Reduction inside the cross-resolution weighting.
        cross_resolution: Whether there is a cross-resolution weighting.
        spatial: Whether there is a spatial weighting.
        conv_cfg: Config of the convolution layers, see ``mmcv.cnn``.
        norm_cfg: Config of the normalisation layers.
    """

    def __init__(
        self,
        channels: Sequence[int],
        reduce_ratio: float = 8,
        cross_resolution: bool = True,
        spatial: bool = True,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
    ) -> None:
        super().__init__()
        halves = [c // 2 for c in channels]
        cfgs: dict[str, Any] = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.cross_resolution_weighting = (
            CrossResolutionWeighting(halves, reduce_ratio, **cfgs)
            if cross_resolution
            else PerBranch(nn.Identity() for _ in channels)
        )
        self.depthwise_convs = depthwise_convs(halves, **cfgs)
        self.spatial_weighting = (
            spatial_weightings(halves)
            if spatial
            else PerBranch(nn.Identity() for _ in channels)
        )

    def transform(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Weight across resolutions, convolve, weight spatially."""
        xs = self.cross_resolution_weighting(xs)
        xs = self.depthwise_convs(xs)
        return self.spatial_weighting(xs)


class CrossResolutionWeighting(nn.Module):
    """Weights for each channel and position, from all resolutions together.

    All branches are average-pooled to the lowest resolution, concatenated, and
    two 1x1 convolutions give weights in (0, 1), which are upsampled (nearest) and
    multiplied (Lite-HRNet, Eq. 2 to 4).

    Args:
        channels: Widths of the maps.
        ratio: Reduction of the first 1x1 convolution.
        conv_cfg: Config of the convolution layers.
        norm_cfg: Config of the normalisation layers.
    """

    def __init__(
        self,
        channels: Sequence[int],
        ratio: float = 8,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
    ) -> None:
        super().__init__()
        self.channels = tuple(channels)
        total = sum(channels)
        reduced = int(total / ratio)
        cfgs: dict[str, Any] = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.conv1 = ConvModule(total, reduced, 1, **cfgs)
        self.conv2 = ConvModule(reduced, total, 1, act_cfg=dict(type="Sigmoid"), **cfgs)

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        *higher, lowest = xs
        pooled = [average_pool(x, size_of(lowest)) for x in higher]
        weights = self.conv2(self.conv1(torch.cat([*pooled, lowest], dim=1)))
        return multiply_upsampled(xs, weights.split(self.channels, dim=1))


def multiply_upsampled(xs: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """Multiply branch maps by weights of the lowest resolution, upsampled (nearest).

    Args:
        xs: Branch maps (N, C_i, H_i, W_i), the lowest resolution last.
        weights: For each branch, weights (N, C_i, h, w) at the lowest resolution.

    Returns:
        Maps of the shapes of ``xs``.
    """
    *higher, lowest = xs
    products = [
        x * F.interpolate(weights[k], size_of(x), mode="nearest")
        for k, x in enumerate(higher)
    ]
    return [*products, lowest * weights[len(higher)]]


class SpatialWeighting(nn.Module):
    """One weight for each channel, from the average over all positions.

    Global average pooling and two 1x1 convolutions with bias, without
    normalisation (Lite-HRNet, Eq. 5).

    Args:
        channels: Width of the map.
        ratio: Reduction of the first 1x1 convolution.
        conv_cfg: Config of the convolution layers.
    """

    def __init__(
        self,
        channels: int,
        ratio: float = SPATIAL_REDUCTION,
        conv_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        reduced = int(channels / ratio)
        self.global_avgpool = nn.AdaptiveAvgPool2d(1)
        self.conv1 = ConvModule(channels, reduced, 1, conv_cfg=conv_cfg)
        self.conv2 = ConvModule(
            reduced, channels, 1, conv_cfg=conv_cfg, act_cfg=dict(type="Sigmoid")
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        return x * self.conv2(self.conv1(self.global_avgpool(x)))


def spatial_weightings(channels: Sequence[int]) -> PerBranch:
    """Spatial weighting of each branch."""
    # nn.Conv2d whatever conv_cfg says, as in the code of existing checkpoints.
    return PerBranch(SpatialWeighting(c) for c in channels)
