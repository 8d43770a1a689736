"""The inference form of conditional channel weighting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..layers.channel_weighting import CrossResolutionWeighting, SpatialWeighting
from ..layers.per_branch import PerBranch
from .channels import ChannelOrder, concatenate, natural_order, unscaled
from .convs import Conv, dense_conv
from .fold import Folded, folded_chain
from .forms import Form
from .resize import (
    concatenated,
    expand,
    has_factor,
    means,
    multiply_upsampled,
    pool_to,
    size_of,
    upsample_to,
)

Orders = Sequence[ChannelOrder]

# The sigmoid of this is exactly 1: channels that are not weighted pass unchanged.
ALWAYS = 100.0


def block_diagonal(convs: Sequence[Folded]) -> Folded:
    """One convolution for several that each have channels of their own."""
    weight = torch.block_diag(*(c.weight.flatten(1) for c in convs))
    bias = torch.cat([c.bias for c in convs])
    return convs[0]._replace(weight=weight[..., None, None], bias=bias)


class Attention(nn.Module):
    """Two 1x1 convolutions that turn averages into weights in (0, 1).

    Args:
        squeeze: The first.
        excite: The second.
        into: Order of the averages.
        outs: Orders of the weights, one for each map of them. Positions that hold
            no weight get a weight of 1.
        form: Form of the network.
    """

    squeeze: Conv
    excite: Any  # nn.ModuleList of Conv.

    def __init__(
        self,
        squeeze: Folded,
        excite: Folded,
        into: ChannelOrder,
        outs: Orders,
        form: Form,
    ) -> None:
        super().__init__()
        hidden = natural_order(len(squeeze.weight), form.hidden_size)
        self.squeeze = dense_conv(squeeze, into, hidden)
        self.excite = nn.ModuleList(
            dense_conv(excite, hidden, out, fill=ALWAYS) for out in outs
        )
        self.form = form

    def forward(self, averages: Tensor) -> list[Tensor]:
        """Map averages (N, C, h, w) to maps of weights, in the given orders."""
        if self.form.halves and averages.shape[2:] == (1, 1):
            hidden = self.squeeze.of_vectors(averages.flatten(1))
            weights = [conv.of_vectors(hidden) for conv in self.excite]
            return [w.view(*w.shape, 1, 1) for w in weights]
        hidden = self.squeeze(averages)
        return [conv(hidden) for conv in self.excite]


def weights_of(
    halves: Orders, form: Form
) -> tuple[ChannelOrder, Sequence[ChannelOrder]]:
    """Orders of the averages and of the weights of all branches.

    Args:
        halves: Orders of the branch maps, seen as the halves that are weighted.
        form: Form of the network.

    Returns:
        The order of the averages, concatenated, and that of the weights: one for
        each branch where nothing is split, else of all as one map.
    """
    averages = concatenate(halves)
    sizes = [half.size for half in halves] if form.blocked else [averages.size]
    return averages, [unscaled(part) for part in averages.channel.split(sizes)]


def split_to(weights: Sequence[Tensor], sizes: Sequence[int]) -> Sequence[Tensor]:
    """Give each branch its weights, which come as one map or one for each branch."""
    return weights if len(weights) == len(sizes) else weights[0].split(sizes, dim=1)


def cross_attention(
    part: CrossResolutionWeighting, halves: Orders, form: Form
) -> Attention:
    """Cross-resolution weights from the pooled maps."""
    into, outs = weights_of(halves, form)
    (squeeze,), (excite,) = folded_chain(part.conv1), folded_chain(part.conv2)
    return Attention(squeeze, excite, into, outs, form)


def spatial_attention(
    parts: Sequence[SpatialWeighting], halves: Orders, form: Form
) -> Attention:
    """Spatial weights of all branches from the averages over all positions."""
    into, outs = weights_of(halves, form)
    squeeze = block_diagonal([folded_chain(part.conv1)[0] for part in parts])
    excite = block_diagonal([folded_chain(part.conv2)[0] for part in parts])
    return Attention(squeeze, excite, into, outs, form)


def factors_of(xs: Sequence[Tensor]) -> list[int]:
    """How many times as large each branch map is as the lowest resolution."""
    return [2 ** (len(xs) - 1 - i) for i in range(len(xs))]


def pool_branches(xs: Sequence[Tensor], form: Form) -> Tensor:
    """Average all branch maps to the lowest resolution, concatenated."""
    size = size_of(xs[-1])
    pooled = [pool_to(x, size, f, form) for x, f in zip(xs, factors_of(xs))]
    return concatenated(pooled)


class CrossWeighting(nn.Module):
    """Weighting across resolutions, by itself.

    Args:
        weights: Maps what ``pool`` makes of the branch maps to weights at the lowest
            resolution.
        halves: Orders of the branch maps.
        form: Form of the network.
        pool: Pools the branch maps, unless ``weights`` takes them as they are.
    """

    def __init__(
        self,
        weights: nn.Module,
        halves: Orders,
        form: Form,
        pool: Callable[[Sequence[Tensor], Form], Any] | None = pool_branches,
    ) -> None:
        super().__init__()
        self.weights = weights
        self.sizes = [half.size for half in halves]
        self.form = form
        self.pool = pool

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        pooled = xs if self.pool is None else self.pool(xs, self.form)
        weights = split_to(self.weights(pooled), self.sizes)
        return [
            multiply_upsampled(x, w, f, self.form)
            for x, w, f in zip(xs, weights, factors_of(xs))
        ]


class SpatialWeightings(nn.Module):
    """Spatial weighting of all branches, by itself.

    Args:
        parts: The trained network's.
        halves: Orders of the branch maps.
        form: Form of the network.
    """

    def __init__(
        self, parts: Sequence[SpatialWeighting], halves: Orders, form: Form
    ) -> None:
        super().__init__()
        self.attention = spatial_attention(parts, halves, form)
        self.sizes = [half.size for half in halves]
        self.form = form

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        weights = split_to(self.attention(means(xs)), self.sizes)
        return [x * expand(w, size_of(x), self.form) for x, w in zip(xs, weights)]


class WeightedBlock(nn.Module):
    """Cross-resolution weights, convolution, spatial weights, on all branches.

    Args:
        cross: Cross-resolution weights.
        convs: Convolution of each branch, of all channels.
        spatial: Spatial weights.
    """

    def __init__(self, cross: Attention, convs: PerBranch, spatial: Attention) -> None:
        super().__init__()
        self.cross = cross
        self.convs = convs
        self.spatial = spatial


class WeightedBlocks(nn.Module):
    """The weighting blocks of a module.

    The spatial weights of one block are multiplied into the cross-resolution
    weights of the next at the lowest resolution, so that a map is multiplied once
    for both, and averages over all positions are taken from the pooled maps.

    Args:
        blocks: Blocks of a module.
        sizes: Widths of the branch maps.
        form: Form of the network.
    """

    blocks: Any  # nn.ModuleList of WeightedBlock.

    def __init__(
        self, blocks: Sequence[WeightedBlock], sizes: Sequence[int], form: Form
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.sizes = list(sizes)
        self.form = form

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        form, size = self.form, size_of(xs[-1])
        pooled = pool_branches(xs, form)
        spatial: Sequence[Tensor] = ()
        for k, block in enumerate(self.blocks):
            weights = block.cross(pooled)
            if k > 0:
                weights = [w * s for w, s in zip(weights, spatial)]
            xs = [conv(x) for conv, x in zip(block.convs, self._multiply(xs, weights))]
            if k == len(self.blocks) - 1:
                spatial = block.spatial(means(xs))
            else:
                pooled = pool_branches(xs, form)
                averages = self._means(pooled, xs, size)
                spatial = [expand(s, size, form) for s in block.spatial(averages)]
                pooled = pooled * concatenated(spatial)
        return [
            x.mul_(expand(s, size_of(x), form))
            for x, s in zip(xs, split_to(spatial, self.sizes))
        ]

    def _means(self, pooled: Tensor, xs: list[Tensor], size: tuple[int, int]) -> Tensor:
        if not self.form.even_sizes:
            for x, factor in zip(xs, factors_of(xs)):  # torch.compile cannot do all().
                if not has_factor(x, size, factor):
                    return means(xs)
        return means([pooled])

    def _multiply(self, xs: list[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
        form = self.form
        triples = zip(xs, split_to(weights, self.sizes), factors_of(xs))
        if form.rows:
            return [multiply_upsampled(x, w, f, form) for x, w, f in triples]
        return [x.mul_(upsample_to(w, size_of(x), f, form)) for x, w, f in triples]
