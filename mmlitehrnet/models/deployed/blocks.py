"""The inference form of a module's blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.channel_weighting import CrossResolutionWeighting, SpatialWeighting
from ..layers.context_modeling import DenseContextModeling, GlobalContextModeling
from ..layers.dynamic_conv import DynamicSplitConv
from ..layers.per_branch import PerBranch
from ..layers.residual import ResidualBlock
from ..layers.shuffle import ChannelSplitBlock, ShuffleUnit, interleave
from .channels import NONE, ChannelOrder, after_shuffle, natural_order, second_half
from .context import DenseContext, GlobalContext
from .convs import ChannelScale, chain, depthwise_conv
from .dynamic import split_conv
from .fold import folded_chain
from .forms import Form
from .weighting import (
    CrossWeighting,
    SpatialWeightings,
    WeightedBlock,
    WeightedBlocks,
    cross_attention,
    spatial_attention,
)

Orders = list[ChannelOrder]


def parts_of(block: ChannelSplitBlock) -> list[Any]:
    """The parts of a block in their order; what an ablation lacks has no weights."""
    return [part for part in block.children() if any(True for _ in part.parameters())]


def is_spatial(part: Any) -> bool:
    """Whether a part is the spatial weighting of all branches."""
    return isinstance(part, PerBranch) and isinstance(part[0], SpatialWeighting)


def deploy_convs(parts: Any, halves: Orders, form: Form) -> tuple[PerBranch, Orders]:
    """Convolution of each branch, and the orders of their outputs."""
    convs, results = [], []
    for part, half in zip(parts, halves):
        if isinstance(part, DynamicSplitConv):
            conv, half = split_conv(part, half, form)
        else:
            (folded,) = folded_chain(part)
            conv = depthwise_conv(folded, half)
        convs.append(conv)
        results.append(half)
    return PerBranch(convs), results


def deploy_part(part: Any, halves: Orders, form: Form) -> tuple[nn.Module, Orders]:
    """One part of a block by itself, and the orders of its results."""
    if isinstance(part, CrossResolutionWeighting):
        return CrossWeighting(cross_attention(part, halves, form), halves, form), halves
    if isinstance(part, DenseContextModeling):
        dense = DenseContext(part, halves, form)
        return CrossWeighting(dense, halves, form, pool=None), halves
    if is_spatial(part):
        return SpatialWeightings(part, halves, form), halves
    if isinstance(part[0], GlobalContextModeling):
        pairs = zip(part, halves)
        return PerBranch(GlobalContext(p, half, form) for p, half in pairs), halves
    return deploy_convs(part, halves, form)


class OnHalves(nn.Module):
    """Parts of a block, on the half of the channels that they transform.

    Args:
        parts: What is computed.
        kept: Positions of the other half in the branch maps.
        active: Positions of the half that is transformed.
    """

    def __init__(
        self, parts: Sequence[nn.Module], kept: list[Tensor], active: list[Tensor]
    ) -> None:
        super().__init__()
        self.parts = nn.Sequential(*parts)
        for k, pair in enumerate(zip(kept, active)):
            self.register_buffer(f"kept{k}", pair[0])
            self.register_buffer(f"active{k}", pair[1])

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        kept, active = (
            [x.index_select(1, getattr(self, f"{name}{k}")) for k, x in enumerate(xs)]
            for name in ("kept", "active")
        )
        return [torch.cat(pair, dim=1) for pair in zip(kept, self.parts(active))]


def halves_of(order: ChannelOrder) -> tuple[Tensor, Tensor]:
    """Positions of the channels that a block keeps, and of those it transforms."""
    active = second_half(order).channel != NONE
    kept = ~active & (order.channel != NONE)
    return kept.nonzero().flatten(), active.nonzero().flatten()


def after_halves(
    order: ChannelOrder, kept: Tensor, active: Tensor, result: ChannelOrder
) -> ChannelOrder:
    """Order once the kept channels and the transformed half are concatenated."""
    whole = order.take(torch.cat((kept, active)))
    channel = torch.cat((torch.full_like(kept, NONE), result.channel))
    return after_shuffle(whole, whole._replace(channel=channel))


def deploy_half(
    block: ChannelSplitBlock, orders: Orders, form: Form
) -> tuple[nn.Module, Orders]:
    """A block on the half that it transforms, and the orders of its results."""
    kept, active = map(list, zip(*map(halves_of, orders)))
    results = [second_half(order).take(at) for order, at in zip(orders, active)]
    modules = []
    for part in parts_of(block):
        module, results = deploy_part(part, results, form)
        modules.append(module)
    outs = [after_halves(*each) for each in zip(orders, kept, active, results)]
    return OnHalves(modules, kept, active), outs


def deploy_halves(
    blocks: Sequence[Any], orders: Orders, form: Form
) -> tuple[nn.Module, Orders]:
    """Inference form of the blocks that see all branches, on half of the channels."""
    modules = []
    for block in blocks:
        module, orders = deploy_half(block, orders, form)
        modules.append(module)
    return nn.Sequential(*modules), orders


def deploy_weightings(
    blocks: Sequence[Any], orders: Orders, form: Form
) -> tuple[nn.Module, Orders]:
    """Inference form of the blocks that see all branches, on all channels."""
    merged, single = [], []
    for block in blocks:
        parts = parts_of(block)
        halves = results = [second_half(order) for order in orders]
        if isinstance(parts[0], CrossResolutionWeighting) and is_spatial(parts[-1]):
            cross = cross_attention(parts[0], halves, form)
            convs, results = deploy_convs(parts[1], halves, form)
            spatial = spatial_attention(parts[2], results, form)
            merged.append(WeightedBlock(cross, convs, spatial))
        else:
            for part in parts:
                module, results = deploy_part(part, results, form)
                single.append(module)
        orders = [after_shuffle(*pair) for pair in zip(orders, results)]
    if merged:
        return WeightedBlocks(merged, [order.size for order in orders], form), orders
    return nn.Sequential(*single), orders


class HalfUnit(nn.Module):
    """A shuffle unit: the kept half plus the transformed half, where they stand.

    Args:
        path: Convolutions of the second half; zeros where the first half stands.
        kept: 1 for the positions of the first half, else 0.
        form: Form of the network.
    """

    def __init__(self, path: nn.Module, kept: Tensor, form: Form) -> None:
        super().__init__()
        self.path = path
        self.kept = ChannelScale(kept)
        self.expands = form.expands

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        y = self.path(x)
        if self.expands:
            return self.kept(x) + y
        return torch.addcmul(y, x, self.kept.as_vectors()[0])


class ExactUnit(nn.Module):
    """A shuffle unit on the half that it transforms, of the half's own width.

    Args:
        path: Convolutions of the second half.
        kept: Positions of the first half.
        active: Positions of the second half.
        aligned_size: Width of the runtime's blocks. A 1x1 convolution of no multiple
            of it is computed as one of a row, whose width the runtime does not pad.
    """

    kept: Tensor
    active: Tensor

    def __init__(
        self, path: Any, kept: Tensor, active: Tensor, aligned_size: int
    ) -> None:
        super().__init__()
        self.path = path
        for conv in path:
            conv.as_row = conv.pointwise and conv.in_channels % aligned_size > 0
        self.register_buffer("kept", kept)
        self.register_buffer("active", active)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        kept, active = (x.index_select(1, at) for at in (self.kept, self.active))
        return torch.cat((kept, self.path(active)), dim=1)


class ShuffledUnit(nn.Module):
    """A shuffle unit that splits, concatenates and shuffles as the trained one does.

    Args:
        path: Convolutions of the second half.
    """

    def __init__(self, path: nn.Module) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        kept, active = x.chunk(2, dim=1)
        return interleave(kept, self.path(active))


def deploy_unit(
    unit: Any, order: ChannelOrder, form: Form
) -> tuple[nn.Module, ChannelOrder]:
    """Inference form of a shuffle unit."""
    half = second_half(order)
    convs = folded_chain(unit.branch2)
    if all(conv.depthwise for conv in convs):
        return chain(convs, half)[0], after_shuffle(order, half)
    in_place = torch.equal(order.channel, torch.arange(order.size))
    if not form.takes_half(order.width) and not (form.shuffles and in_place):
        path, _ = chain(convs, half, half, form.aligned_size)
        unit = HalfUnit(path, (half.channel == NONE).double(), form)
        return unit, after_shuffle(order, half)
    kept, active = halves_of(order)
    exact = half.take(active)
    path, _ = chain(convs, exact, exact)
    if form.shuffles:
        scale = order.scale.view(2, -1).T.flatten()
        return ShuffledUnit(path), order._replace(scale=scale)
    result = after_halves(order, kept, active, exact)
    unit = ExactUnit(path, kept, active, form.aligned_size)
    return unit, result._replace(planar=True)


class DeployedResidual(nn.Module):
    """A residual block."""

    def __init__(self, path: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.path = path
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H, W)."""
        return F.relu(self.path(x) + self.shortcut(x))


def deploy_residual(
    block: Any, order: ChannelOrder, form: Form
) -> tuple[nn.Module, ChannelOrder]:
    """Inference form of a residual block."""
    layers: list[nn.Module] = []
    for k in range(1, len(block.convs) + 1):
        layers += [getattr(block, f"conv{k}"), getattr(block, f"bn{k}"), nn.ReLU()]
    convs = folded_chain(nn.Sequential(*layers[:-1]))
    shortcut: nn.Module = nn.Identity()
    out = order
    if not isinstance(block.downsample, nn.Identity):
        out = natural_order(len(convs[-1].weight), form.aligned_size)
        shortcut, _ = chain(folded_chain(block.downsample), order, out)
    path, _ = chain(convs, order, out, form.aligned_size)
    return DeployedResidual(path, shortcut), out


#: Block of a single branch -> its inference form.
SINGLE: dict[type, Callable[..., tuple[nn.Module, ChannelOrder]]] = {
    ShuffleUnit: deploy_unit,
    ResidualBlock: deploy_residual,
}


def deploy_branch(
    blocks: Any, order: ChannelOrder, form: Form
) -> tuple[nn.Module, ChannelOrder]:
    """Inference form of the blocks of one branch."""
    modules = []
    for block in blocks:
        deploy = next(f for kind, f in SINGLE.items() if isinstance(block, kind))
        module, order = deploy(block, order, form)
        modules.append(module)
    return nn.Sequential(*modules), order


def deploy_blocks(blocks: Any, orders: Orders, form: Form) -> tuple[nn.Module, Orders]:
    """Inference form of a module's blocks, and the orders of their results."""
    if isinstance(blocks[0], ChannelSplitBlock):
        deploy = deploy_halves if form.halves else deploy_weightings
        return deploy(blocks, orders, form)
    pairs = [deploy_branch(b, order, form) for b, order in zip(blocks, orders)]
    return PerBranch(module for module, _ in pairs), [order for _, order in pairs]
