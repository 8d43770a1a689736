"""Which blocks a stage can be made of: one row for each ``module_type``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from torch import nn

from ..layers.activation_checkpointing import Blocks, PerBranch
from ..layers.channel_weighting import (
    SPATIAL_REDUCTION,
    ConditionalChannelWeighting,
    CrossResolutionWeighting,
    depthwise_convs,
    spatial_weightings,
)
from ..layers.context_modeling import DenseContextModeling, GlobalContextModeling
from ..layers.dynamic_conv import DynamicSplitConv
from ..layers.shuffle import ShuffleUnit

# Dite-HRNet's dynamic split convolution and context modeling, by branch.
NUM_GROUPS = (1, 1, 2, 4)
NUM_KERNELS = (4, 4, 2, 1)
DENSE_REDUCTION = 8
GLOBAL_REDUCTIONS = (4, 4, 8, 8)


class BlockConfig(NamedTuple):
    """What a block is built from.

    Attributes:
        channels: Widths of the branches.
        reduce_ratio: Reduction of cross-resolution weighting.
        conv_cfg: Config of the convolution layers.
        norm_cfg: Config of the normalisation layers.
        num_groups: Groups of dynamic split convolution, for each branch.
        num_kernels: Kernels of dynamic split convolution, for each branch.
        context_pooling: How dense context modeling pools, see
            :mod:`~mmlitehrnet.models.layers.context_modeling`.
    """

    channels: tuple[int, ...]
    reduce_ratio: float
    conv_cfg: dict | None
    norm_cfg: dict
    num_groups: tuple[int, ...] = NUM_GROUPS
    num_kernels: tuple[int, ...] = NUM_KERNELS
    context_pooling: str = "window"

    @property
    def halves(self) -> tuple[int, ...]:
        """Widths of the halves that a block transforms."""
        return tuple(c // 2 for c in self.channels)

    def check(self) -> None:
        """Check what depends on both the widths and the other options.

        Raises:
            ValueError: If there are too few groups or kernels for the branches, or
                half of a width is not a multiple of its groups.
        """
        for name in ("num_groups", "num_kernels"):
            counts = getattr(self, name)
            if len(counts) < len(self.channels):
                raise ValueError(
                    f"{name} must have one entry for each of the {len(self.channels)} "
                    f"branches, got {counts}"
                )
        for width, groups in zip(self.channels, self.num_groups):
            if width // 2 % groups:
                raise ValueError(
                    f"num_groups must divide half of each branch's width, got "
                    f"{groups} for a width of {width}"
                )


class BlockType(NamedTuple):
    """A kind of block.

    Attributes:
        make: ``make(config, num_blocks, with_cp)`` gives a module's blocks, a map
            from the list of branch maps to one of the same shapes.
        min_width: Narrowest branch that the block can have.
        uses_ratio: Whether ``reduce_ratio`` means anything to it.
        uses_groups: Whether ``num_groups`` and ``num_kernels`` do.
        uses_context: Whether it has dense and global context modeling.
    """

    make: Callable[[BlockConfig, int, bool], nn.Module]
    min_width: int = 2
    uses_ratio: bool = False
    uses_groups: bool = False
    uses_context: bool = False

    def check(self, config: BlockConfig) -> None:
        """Check a config as far as the block uses it.

        Raises:
            ValueError: If it has too many or too narrow branches for context
                modeling, or see :meth:`BlockConfig.check`.
        """
        if self.uses_context:
            if len(config.channels) > len(GLOBAL_REDUCTIONS):
                raise ValueError(
                    f"num_channels must have at most {len(GLOBAL_REDUCTIONS)} widths "
                    f"for blocks with context modeling, got {config.channels}"
                )
            # Half of a branch is reduced, and must leave a channel.
            least = tuple(2 * reduction for reduction in GLOBAL_REDUCTIONS)
            narrow = any(c < low for c, low in zip(config.channels, least))
            if narrow or sum(config.halves) < DENSE_REDUCTION:
                raise ValueError(
                    f"num_channels must be at least {least[: len(config.channels)]} "
                    f"for blocks with context modeling, and {2 * DENSE_REDUCTION} "
                    f"together, got {config.channels}"
                )
        if self.uses_groups:
            config.check()


Part = Callable[[BlockConfig], nn.Module]


def _joint_blocks(
    parts: Mapping[str, Part], config: BlockConfig, num_blocks: int, with_cp: bool
) -> Blocks:
    """Blocks that see all branches together."""
    blocks = (
        ConditionalChannelWeighting(
            {name: part(config) for name, part in parts.items()}
        )
        for _ in range(num_blocks)
    )
    return Blocks(*blocks, with_cp=with_cp)


def _branch_blocks(
    pointwise: tuple[str | None, str | None],
    config: BlockConfig,
    num_blocks: int,
    with_cp: bool,
) -> PerBranch:
    """Shuffle units, on each branch by itself."""

    def unit(channels: int) -> ShuffleUnit:
        return ShuffleUnit(channels, pointwise, config.conv_cfg, config.norm_cfg)

    return PerBranch(
        Blocks(*(unit(c) for _ in range(num_blocks)), with_cp=with_cp)
        for c in config.channels
    )


def _cross(config: BlockConfig) -> nn.Module:
    return CrossResolutionWeighting(
        config.halves, config.reduce_ratio, config.conv_cfg, config.norm_cfg
    )


def _depthwise(config: BlockConfig) -> nn.Module:
    return depthwise_convs(config.halves, config.conv_cfg, config.norm_cfg)


def _spatial(config: BlockConfig) -> nn.Module:
    return spatial_weightings(config.halves)


def _dense_context(config: BlockConfig) -> nn.Module:
    return DenseContextModeling(
        config.halves,
        DENSE_REDUCTION,
        config.context_pooling,
        config.conv_cfg,
        config.norm_cfg,
    )


def _split_convs(config: BlockConfig) -> nn.Module:
    return PerBranch(
        DynamicSplitConv(c, groups, kernels, config.conv_cfg, config.norm_cfg)
        for c, groups, kernels in zip(
            config.halves, config.num_groups, config.num_kernels
        )
    )


def _global_context(config: BlockConfig) -> nn.Module:
    return PerBranch(
        GlobalContextModeling(c, reduction, config.conv_cfg, config.norm_cfg)
        for c, reduction in zip(config.halves, GLOBAL_REDUCTIONS)
    )


CROSS = ("cross_resolution_weighting", _cross)
DEPTHWISE = ("depthwise_convs", _depthwise)
SPATIAL = ("spatial_weighting", _spatial)
DCM = ("dcm", _dense_context)
DSC = ("conv", _split_convs)
GCM = ("gcm", _global_context)

# Half of a branch, reduced by the spatial weighting, must leave a channel.
_WEIGHTED_WIDTH = 2 * SPATIAL_REDUCTION


def _weighting(*parts: tuple[str, Part], min_width: int) -> BlockType:
    return BlockType(
        partial(_joint_blocks, dict(parts)),
        min_width,
        uses_ratio=CROSS in parts,
        uses_groups=DSC in parts,
        uses_context=GCM in parts,
    )


def _shuffle(*pointwise: str | None) -> BlockType:
    return BlockType(partial(_branch_blocks, pointwise))


#: ``module_type`` -> block.
BLOCK_TYPES: dict[str, BlockType] = {
    "LITE": _weighting(CROSS, DEPTHWISE, SPATIAL, min_width=_WEIGHTED_WIDTH),
    # Lite-HRNet, Table 5: one of the two weightings alone.
    "LITE_SPATIAL": _weighting(DEPTHWISE, SPATIAL, min_width=_WEIGHTED_WIDTH),
    "LITE_CROSS": _weighting(CROSS, DEPTHWISE, min_width=2),
    "NAIVE": _shuffle("relu", "relu"),
    # Lite-HRNet, Table 5: one and both 1x1 convolutions dropped.
    "NAIVE_DROP1": _shuffle(None, "linear"),
    "NAIVE_DROP2": _shuffle(None, None),
    # Dite-HRNet's DMC block.
    "DITE": _weighting(DCM, DSC, GCM, min_width=_WEIGHTED_WIDTH),
    # Dite-HRNet, Table 4: Lite-HRNet with parts of the DMC block.
    "LITE_ACM": _weighting(DCM, DEPTHWISE, GCM, min_width=_WEIGHTED_WIDTH),
    "LITE_DSC": _weighting(CROSS, DSC, SPATIAL, min_width=_WEIGHTED_WIDTH),
    "LITE_ACM_DSC": _weighting(DCM, DSC, GCM, min_width=_WEIGHTED_WIDTH),
}
