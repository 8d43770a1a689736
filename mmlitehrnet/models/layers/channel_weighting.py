"""Conditional channel weighting, the block of Lite-HRNet."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.fx
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from .depthwise import depthwise_convs
from .norm import BN
from .per_branch import PerBranch
from .shuffle import ChannelSplitBlock
from .tracing import average_pool, size_of, upsample

if TYPE_CHECKING:
    from ..deployed import ChannelOrder, Form

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
        **cfgs: ``conv_cfg`` and ``norm_cfg``, configs of the layers, see ``mmcv.cnn``.
    """

    def __init__(
        self,
        channels: Sequence[int],
        reduce_ratio: float = 8,
        cross_resolution: bool = True,
        spatial: bool = True,
        **cfgs: Any,
    ) -> None:
        super().__init__()
        self.deploys_together = cross_resolution and spatial
        halves = [c // 2 for c in channels]
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

    @staticmethod
    def deploy_together(
        blocks: Sequence[Any], orders: list[ChannelOrder], form: Form
    ) -> tuple[nn.Module, list[ChannelOrder]]:
        """Inference form of a module's blocks, and the orders of what comes out."""
        deployed = []
        for block in blocks:
            halves = [order.second_half() for order in orders]
            cross = block.cross_resolution_weighting.deploy_weights(halves, form)
            convs, halves = block.depthwise_convs.deploy(halves, form)
            chains = [(part.conv1, part.conv2) for part in block.spatial_weighting]
            early: list[nn.Module] = []
            if form.weighs_early and block is blocks[-1] and orders[1:]:
                early = [form.early_weight(convs[0], chains[0], halves[0])]
            late = len(early)
            spatial = form.attentions(chains[late:], halves[late:])
            deployed.append(nn.ModuleList([cross, convs, spatial, *early]))
            orders = [order.shuffled(half) for order, half in zip(orders, halves)]
        sizes = [order.size for order in orders]
        return WeightedBlocks(deployed, sizes, form.broadcasts), orders


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
        weights = self.conv2(self.conv1(pool_branches(xs)))
        return multiply_upsampled(xs, weights.split(self.channels, dim=1))

    def deploy_weights(self, halves: list[ChannelOrder], form: Form) -> nn.Module:
        """Inference form of what maps pooled maps to weights."""
        return form.attentions([(self.conv1, self.conv2)], halves)

    def deploy(
        self, halves: list[ChannelOrder], form: Form
    ) -> tuple[nn.Module, list[ChannelOrder]]:
        """Inference form, and the orders of what comes out."""
        sizes = [half.size for half in halves]
        return CrossWeighting(self.deploy_weights(halves, form), sizes), halves


class CrossWeighting(nn.Module):
    """The inference form of weighting across resolutions.

    Args:
        weights: Maps the pooled maps to maps of weights.
        sizes: Widths of the branch maps.
    """

    def __init__(self, weights: nn.Module, sizes: list[int]) -> None:
        super().__init__()
        self.weights = weights
        self.sizes = sizes

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        weights = self.weights(pool_branches(xs))
        return multiply_upsampled(xs, split_to(weights, self.sizes))


def split_to(weights: list[Tensor], sizes: list[int]) -> Sequence[Tensor]:
    """Give each branch its weights, which come as one map or one for each branch."""
    return weights if len(weights) == len(sizes) else weights[0].split(sizes, dim=1)


def pool_branches(xs: Sequence[Tensor]) -> Tensor:
    """Average branch maps to the lowest resolution, concatenated."""
    *higher, lowest = xs
    pooled = [average_pool(x, size_of(lowest)) for x in higher]
    # Not concatenated if it is one map: onnx2tf has no operator for that.
    return torch.cat([*pooled, lowest], dim=1) if pooled else lowest


def multiply_upsampled(
    xs: Sequence[Tensor],
    weights: Sequence[Tensor],
    multiply: Callable[[Tensor, Tensor], Tensor] = operator.mul,
) -> list[Tensor]:
    """Multiply branch maps by weights of the lowest resolution, upsampled (nearest).

    Args:
        xs: Branch maps (N, C_i, H_i, W_i), the lowest resolution last.
        weights: For each branch, weights (N, C_i, h, w) at the lowest resolution.
        multiply: How, in place or not.

    Returns:
        Maps of the shapes of ``xs``.
    """
    *higher, lowest = xs
    products = [
        multiply(x, upsample(weights[k], size_of(x))) for k, x in enumerate(higher)
    ]
    return [*products, multiply(lowest, weights[len(higher)])]


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

    def deploy(self, half: ChannelOrder, form: Form) -> tuple[nn.Module, ChannelOrder]:
        """Inference form, and the order of what comes out."""
        attention = form.attention([[self.conv1, self.conv2]], half, half)
        return DeployedSpatialWeighting(attention, form.broadcasts), half


class DeployedSpatialWeighting(nn.Module):
    """The inference form of the spatial weighting of a branch.

    Args:
        attention: Maps averages to weights.
        broadcasts: Whether the weights are broadcast over the map.
    """

    def __init__(self, attention: nn.Module, broadcasts: bool) -> None:
        super().__init__()
        self.attention = attention
        self.broadcasts = broadcasts

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        weight = self.attention(F.adaptive_avg_pool2d(x, 1))
        return x * (weight if self.broadcasts else upsample(weight, size_of(x)))


def spatial_weightings(channels: Sequence[int]) -> PerBranch:
    """Spatial weighting of each branch."""
    # nn.Conv2d whatever conv_cfg says, as in the code of existing checkpoints.
    return PerBranch(SpatialWeighting(c) for c in channels)


def global_averages(pooled: Tensor, xs: Sequence[Tensor]) -> Tensor:
    """Averages over all positions of branch maps, concatenated.

    Args:
        pooled: The maps at the lowest resolution, concatenated. Where that divides
            their sizes, its averages are theirs.
        xs: The maps.
    """
    sizes, (height, width) = [size_of(x) for x in xs], size_of(pooled)
    # Not all(): the Dynamo of torch 2.1 does not know it.
    if not sum([h % height + w % width for h, w in sizes]):
        return F.adaptive_avg_pool2d(pooled, 1)
    return torch.cat([F.adaptive_avg_pool2d(x, 1) for x in xs], dim=1)


torch.fx.wrap("global_averages")  # It asks for sizes: one node in a graph.


class WeightedBlocks(nn.Module):
    """The inference form of a module's blocks with channel weighting.

    The spatial weights of one block are multiplied into the cross-resolution weights
    of the next at the lowest resolution, so that a map is multiplied once for both, and
    averages over all positions are taken from the pooled maps.

    Args:
        blocks: Cross-resolution weights, convolutions and spatial weights of each. Of
            the last, there may be the spatial weights of the lower branches only, and
            those of branch 0 early.
        sizes: Widths of the branch maps.
        broadcasts: Whether weights are broadcast over maps.
    """

    def __init__(
        self, blocks: Sequence[nn.Module], sizes: list[int], broadcasts: bool
    ) -> None:
        super().__init__()
        self.blocks: Any = nn.ModuleList(blocks)
        self.sizes = sizes
        self.broadcasts = broadcasts
        #: Whether what is to be added to branch 0, of an early spatial weight, is
        #: given out after the branch maps: fusions add it on the smallest map.
        self.leaves_bias = False

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        size, late = size_of(xs[-1]), 0
        pooled = pool_branches(xs)
        spatial: list[Tensor] = []
        bias: list[Tensor] = []
        for block in self.blocks:
            cross, convs, attention = [block[k] for k in range(3)]
            if spatial:
                spatial = [self._expand(s, size) for s in spatial]
                every = torch.cat(spatial, dim=1) if spatial[1:] else spatial[0]
                pooled = pooled * every
            weights = cross(pooled)
            if spatial:
                weights = [w * s for w, s in zip(weights, spatial)]
            weights = split_to(weights, self.sizes)
            if len(block) > 3:
                early = block[3](xs[0], weights[0])
                lower = [weights[k] for k in range(1, len(self.sizes))]
                weights = [weights[0] * self._expand(early, size), *lower]
                bias, late = [block[3].of_bias(early)], 1
            xs = convs(multiply_upsampled(xs, weights, operator.imul))
            pooled = pool_branches(xs[late:])
            spatial = attention(global_averages(pooled, xs[late:]))
        weights = split_to(spatial, self.sizes[late:])
        for k in range(late, len(self.sizes)):
            xs[k] = xs[k].mul_(self._expand(weights[k - late], size_of(xs[k])))
        if bias and not self.leaves_bias:
            xs[0] = xs[0].add_(self._expand(bias.pop(), size_of(xs[0])))
        return [*xs, *bias]

    def _expand(self, weight: Tensor, size: tuple[int, int]) -> Tensor:
        return weight if self.broadcasts else upsample(weight, size)
