"""The inference form of a module's blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.channel_weighting import (
    CrossResolutionWeighting,
    SpatialWeighting,
)
from ..layers.context_modeling import DenseContextModeling, GlobalContextModeling
from ..layers.dynamic_conv import DynamicSplitConv
from ..layers.residual import ResidualBlock
from ..layers.shuffle import ChannelSplitBlock, ShuffleUnit
from .channels import NONE, Layout, after_shuffle, natural_layout, second_half, take
from .context import DenseContext, GlobalContext
from .convs import Conv, chain, depthwise_conv
from .dynamic import split_conv
from .fold import folded_chain
from .forms import Form
from .resize import pool_to, times_repeated
from .weighting import (
    Attention,
    WeightedBlock,
    WeightedBlocks,
    block_diagonal,
    join,
    means,
    spread,
    weights_of,
)

Layouts = list[Layout]


def cross_attention(
    part: CrossResolutionWeighting, halves: Layouts, form: Form
) -> Attention:
    """Cross-resolution weights from the pooled maps."""
    into, outs = weights_of(halves, form)
    (squeeze,), (excite,) = folded_chain(part.conv1), folded_chain(part.conv2)
    return Attention(squeeze, excite, into, outs, form)


def spatial_attention(
    parts: Sequence[SpatialWeighting], halves: Layouts, form: Form
) -> Attention:
    """Spatial weights of all branches from the averages over all positions."""
    into, outs = weights_of(halves, form)
    squeeze = block_diagonal([folded_chain(part.conv1)[0] for part in parts])
    excite = block_diagonal([folded_chain(part.conv2)[0] for part in parts])
    return Attention(squeeze, excite, into, outs, form)


def branch_conv(part: nn.Module, half: Layout, form: Form) -> tuple[nn.Module, Layout]:
    """Convolution of one branch, and the layout of its output."""
    if isinstance(part, DynamicSplitConv):
        return split_conv(part, half, form)
    (conv,) = folded_chain(part)
    return depthwise_conv(conv, half), half


class CrossWeighting(nn.Module):
    """Cross-resolution weighting by itself."""

    def __init__(self, part: nn.Module, halves: Layouts, form: Form) -> None:
        super().__init__()
        self.form = form
        if isinstance(part, DenseContextModeling):
            self.weights: nn.Module = DenseContext(part, halves, form)
        else:
            self.weights = cross_attention(part, halves, form)
        self.dense = isinstance(part, DenseContextModeling)
        self.widths = [len(half.index) for half in halves]

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        size = xs[-1].shape[2:]
        factors = [2 ** (len(xs) - 1 - i) for i in range(len(xs))]
        if self.dense:
            weights = self.weights(xs)
        else:
            pooled = [pool_to(x, size, f, self.form.fixed) for x, f in zip(xs, factors)]
            weights = self.weights(join(pooled))
        if len(weights) < len(xs):
            weights = weights[0].split(self.widths, dim=1)
        return [
            times_repeated(x, w, f, self.form) for x, w, f in zip(xs, weights, factors)
        ]


class SpatialWeightings(nn.Module):
    """Spatial weighting of all branches by itself."""

    def __init__(
        self, parts: Sequence[SpatialWeighting], halves: Layouts, form: Form
    ) -> None:
        super().__init__()
        self.attention = spatial_attention(parts, halves, form)
        self.broadcast = form.broadcast
        self.widths = [len(half.index) for half in halves]

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        weights = self.attention(means(xs))
        if len(weights) < len(xs):
            weights = weights[0].split(self.widths, dim=1)
        return [x * spread(w, x.shape[2:], self.broadcast) for x, w in zip(xs, weights)]


class PerBranch(nn.ModuleList):
    """One module for each branch."""

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps to branch maps."""
        return [module(x) for module, x in zip(self, xs)]


def _parts(block: ChannelSplitBlock) -> list[nn.Module]:
    return [part for part in block.children() if not isinstance(part, nn.Identity)]


def _is_spatial(part: nn.Module) -> bool:
    return isinstance(part, nn.ModuleList) and isinstance(part[0], SpatialWeighting)


def _deploy_part(
    part: nn.Module, halves: Layouts, form: Form
) -> tuple[nn.Module, Layouts]:
    """One part of a block by itself, and the layouts of its results."""
    if isinstance(part, CrossResolutionWeighting | DenseContextModeling):
        return CrossWeighting(part, halves, form), halves
    if _is_spatial(part):
        return SpatialWeightings(part, halves, form), halves
    if isinstance(part[0], GlobalContextModeling):
        contexts = [GlobalContext(p, half, form) for p, half in zip(part, halves)]
        return PerBranch(contexts), halves
    pairs = [branch_conv(p, half, form) for p, half in zip(part, halves)]
    return PerBranch(conv for conv, _ in pairs), [half for _, half in pairs]


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


def deploy_half(
    parts: Sequence[nn.Module], layouts: Layouts, form: Form
) -> tuple[nn.Module, Layouts]:
    """A block on the half that it transforms, and the layouts of its results."""
    kept, active = [], []
    for layout in layouts:
        half = second_half(layout)
        kept.append(((half.index == NONE) & (layout.index != NONE)).nonzero().flatten())
        active.append((half.index != NONE).nonzero().flatten())
    results = [take(second_half(x), where) for x, where in zip(layouts, active)]
    modules = []
    for part in parts:
        module, results = _deploy_part(part, results, form)
        modules.append(module)
    outs = []
    for layout, still, where, result in zip(layouts, kept, active, results):
        joined = take(layout, torch.cat((still, where)))
        index = torch.cat((torch.full_like(still, NONE), result.index))
        outs.append(after_shuffle(joined, joined._replace(index=index)))
    return OnHalves(modules, kept, active), outs


def deploy_halves(
    blocks: Sequence[ChannelSplitBlock], layouts: Layouts, form: Form
) -> tuple[nn.Module, Layouts]:
    """Inference form of the blocks that see all branches, on half of the channels."""
    modules = []
    for block in blocks:
        module, layouts = deploy_half(_parts(block), layouts, form)
        modules.append(module)
    return nn.Sequential(*modules), layouts


def deploy_weightings(
    blocks: Sequence[ChannelSplitBlock], layouts: Layouts, form: Form
) -> tuple[nn.Module, Layouts]:
    """Inference form of the blocks that see all branches, on all channels."""
    merged, single = [], []
    for block in blocks:
        halves = [second_half(layout) for layout in layouts]
        parts = _parts(block)
        results = halves
        if isinstance(parts[0], CrossResolutionWeighting) and _is_spatial(parts[-1]):
            cross, convs, spatial = parts
            pairs = [branch_conv(p, half, form) for p, half in zip(convs, halves)]
            results = [half for _, half in pairs]
            merged.append(
                WeightedBlock(
                    cross_attention(cross, halves, form),
                    [conv for conv, _ in pairs],
                    spatial_attention(spatial, results, form),
                )
            )
        else:
            for part in parts:
                module, results = _deploy_part(part, results, form)
                single.append(module)
        layouts = [after_shuffle(*pair) for pair in zip(layouts, results)]
    if merged:
        widths = [len(layout.index) for layout in layouts]
        return WeightedBlocks(merged, widths, form), layouts
    return nn.Sequential(*single), layouts


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
        self.broadcast = form.broadcast
        # A depthwise 1x1 convolution, or its weight by itself.
        bias = torch.zeros(len(kept))
        self.kept = Conv(kept.view(-1, 1, 1, 1), bias, groups=len(kept))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        y = self.path(x)
        if self.broadcast:
            return torch.addcmul(y, x, self.kept.weight.view(1, -1, 1, 1))
        return self.kept(x) + y


def deploy_unit(
    unit: ShuffleUnit, layout: Layout, form: Form
) -> tuple[nn.Module, Layout]:
    """Inference form of a shuffle unit."""
    half = second_half(layout)
    convs = folded_chain(unit.branch2)
    path, _ = chain(convs, half, half, form.multiple)
    if not all(conv.depthwise for conv in convs):
        kept = (half.index == NONE).double()
        path = HalfUnit(path, kept, form)
    return path, after_shuffle(layout, half)


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
    block: ResidualBlock, layout: Layout, form: Form
) -> tuple[nn.Module, Layout]:
    """Inference form of a residual block."""
    layers: list[nn.Module] = []
    for k in range(1, len(block.convs) + 1):
        layers += [getattr(block, f"conv{k}"), getattr(block, f"bn{k}"), nn.ReLU()]
    convs = folded_chain(nn.Sequential(*layers[:-1]))
    shortcut: nn.Module = nn.Identity()
    out = layout
    if not isinstance(block.downsample, nn.Identity):
        out = natural_layout(len(convs[-1].weight), form.multiple)
        shortcut, _ = chain(folded_chain(block.downsample), layout, out)
    path, _ = chain(convs, layout, out, form.multiple)
    return DeployedResidual(path, shortcut), out


#: Block of a single branch -> its inference form.
SINGLE: dict[type, Callable[..., tuple[nn.Module, Layout]]] = {
    ShuffleUnit: deploy_unit,
    ResidualBlock: deploy_residual,
}


def deploy_branch(
    blocks: Sequence[nn.Module], layout: Layout, form: Form
) -> tuple[nn.Module, Layout]:
    """Inference form of the blocks of one branch."""
    modules = []
    for block in blocks:
        deploy = next(f for kind, f in SINGLE.items() if isinstance(block, kind))
        module, layout = deploy(block, layout, form)
        modules.append(module)
    return nn.Sequential(*modules), layout


def deploy_blocks(
    blocks: nn.Module, layouts: Layouts, form: Form
) -> tuple[nn.Module, Layouts]:
    """Inference form of a module's blocks, and the layouts of their results."""
    if isinstance(blocks[0], ChannelSplitBlock):
        deploy = deploy_halves if form.plain else deploy_weightings
        return deploy(blocks, layouts, form)
    pairs = [deploy_branch(b, layout, form) for b, layout in zip(blocks, layouts)]
    return PerBranch(module for module, _ in pairs), [layout for _, layout in pairs]
