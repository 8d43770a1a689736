"""Conditional channel weighting, the block of Lite-HRNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from .activation_checkpointing import PerBranch
from .depthwise import depthwise_cfg
from .shuffle import interleave

SPATIAL_REDUCTION = 4


class ConditionalChannelWeighting(nn.Module):
    """Split, transform one half on all branches together, concatenate, shuffle.

    Conditional channel weighting replaces the 1x1 convolutions of a shuffle unit
    by weights computed across resolutions and positions (Lite-HRNet, section
    3.2, Fig. 1 b). The same frame holds Dite-HRNet's DMC block.

    Args:
        parts: What happens to the second half, in order: name to module, each a
            map from the list of branch maps (N, C_i / 2, H_i, W_i) to one of the
            same shapes. The names are those of the parameters.
    """

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.part_names = tuple(parts)
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        kept, halves = zip(*(x.chunk(2, dim=1) for x in xs))
        for name in self.part_names:
            halves = getattr(self, name)(halves)
        return [interleave(a, b) for a, b in zip(kept, halves)]


def weight_branches(xs: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """Multiply each branch by weights that were computed at the lowest resolution.

    Args:
        xs: Branch maps (N, C_i, H_i, W_i), the lowest resolution last.
        weights: For each branch, weights (N, C_i, h, w) at the lowest resolution;
            upsampled (nearest).

    Returns:
        Maps of the shapes of ``xs``.
    """
    *above, own = weights
    above = [
        F.interpolate(w, size=x.shape[-2:], mode="nearest") for w, x in zip(above, xs)
    ]
    return [x * w for x, w in zip(xs, [*above, own])]


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
        channels: tuple[int, ...],
        ratio: float,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        self.channels = tuple(channels)
        total = sum(channels)
        reduced = int(total / ratio)
        common = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.conv1 = ConvModule(total, reduced, 1, **common)
        self.conv2 = ConvModule(
            reduced, total, 1, act_cfg=dict(type="Sigmoid"), **common
        )

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        lowest = xs[-1]
        pooled = [F.adaptive_avg_pool2d(x, lowest.shape[-2:]) for x in xs[:-1]]
        weights = self.conv2(self.conv1(torch.cat([*pooled, lowest], dim=1)))
        return weight_branches(xs, weights.split(self.channels, dim=1))


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


def depthwise_convs(
    channels: tuple[int, ...], conv_cfg: dict | None, norm_cfg: dict
) -> PerBranch:
    """3x3 depthwise convolution and normalisation, for each branch."""
    return PerBranch(
        ConvModule(
            c,
            c,
            3,
            padding=1,
            groups=c,
            conv_cfg=depthwise_cfg(conv_cfg),
            norm_cfg=norm_cfg,
            act_cfg=None,
        )
        for c in channels
    )


def spatial_weightings(channels: tuple[int, ...]) -> PerBranch:
    """Spatial weighting, for each branch."""
    # Plain convolutions whatever conv_cfg says, as in existing checkpoints' code.
    return PerBranch(SpatialWeighting(c) for c in channels)
