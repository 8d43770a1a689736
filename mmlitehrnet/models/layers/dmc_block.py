"""The DMC block of Dite-HRNet, and Lite-HRNet's block with parts of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .channel_weighting import CrossResolutionWeighting, spatial_weightings
from .context_modeling import DenseContextModeling, GlobalContextModeling
from .depthwise import depthwise_convs
from .dynamic_conv import DynamicSplitConv
from .per_branch import PerBranch
from .shuffle import ChannelSplitBlock

#: Groups and kernels of dynamic split convolution, highest resolution first.
NUM_GROUPS = (1, 1, 2, 4)
NUM_KERNELS = (4, 4, 2, 1)
#: Reduction in dense context modeling, and in global context modeling by branch.
DENSE_REDUCTION = 8
GLOBAL_REDUCTIONS = (4, 4, 8, 8)


class DMCBlock(ChannelSplitBlock):
    """Dynamic multi-scale context block (Dite-HRNet, Fig. 2).

    Half of each branch's channels goes through dense context modeling, dynamic
    split convolution and global context modeling.

    Args:
        channels: Widths C_i of the branches; even.
        num_groups: Groups of the split convolution of each branch.
        num_kernels: Kernels of the split convolution of each branch.
        context_pooling: How dense context modeling pools: a key of
            :data:`~mmlitehrnet.models.layers.context_modeling.CONTEXT_POOLING`.
        **cfgs: ``conv_cfg`` and ``norm_cfg``, configs of the layers.

    Raises:
        ValueError: If there are too many or too narrow branches, too few groups or
            kernels, or half of a width is not a multiple of its groups.
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_groups: Sequence[int] = NUM_GROUPS,
        num_kernels: Sequence[int] = NUM_KERNELS,
        context_pooling: str = "window",
        **cfgs: Any,
    ) -> None:
        super().__init__()
        check_context(channels)
        check_split(channels, num_groups, num_kernels)
        halves = [c // 2 for c in channels]
        self.dcm = DenseContextModeling(
            halves, DENSE_REDUCTION, context_pooling, **cfgs
        )
        self.conv = split_convs(halves, num_groups, num_kernels, **cfgs)
        self.gcm = global_contexts(halves, **cfgs)

    def transform(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Dense context, dynamic split convolution, global context."""
        xs = self.dcm(xs)
        xs = self.conv(xs)
        return self.gcm(xs)


class ACMBlock(ChannelSplitBlock):
    """Lite-HRNet's block, its weightings replaced by DCM and GCM.

    Dite-HRNet, Table 4: adaptive context modeling alone. Arguments as of
    :class:`DMCBlock`.
    """

    def __init__(self, channels: Sequence[int], **cfgs: Any) -> None:
        super().__init__()
        check_context(channels)
        halves = [c // 2 for c in channels]
        self.dcm = DenseContextModeling(halves, DENSE_REDUCTION, **cfgs)
        self.depthwise_convs = depthwise_convs(halves, **cfgs)
        self.gcm = global_contexts(halves, **cfgs)

    def transform(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Dense context, depthwise convolution, global context."""
        xs = self.dcm(xs)
        xs = self.depthwise_convs(xs)
        return self.gcm(xs)


class DSCBlock(ChannelSplitBlock):
    """Lite-HRNet's block, its depthwise convolution replaced by DSC.

    Dite-HRNet, Table 4: dynamic split convolution alone. Arguments as of
    :class:`DMCBlock` and
    :class:`~mmlitehrnet.models.layers.channel_weighting.ConditionalChannelWeighting`.
    """

    def __init__(
        self, channels: Sequence[int], reduce_ratio: float = 8, **cfgs: Any
    ) -> None:
        super().__init__()
        check_split(channels, NUM_GROUPS, NUM_KERNELS)
        halves = [c // 2 for c in channels]
        self.cross_resolution_weighting = CrossResolutionWeighting(
            halves, reduce_ratio, **cfgs
        )
        self.conv = split_convs(halves, NUM_GROUPS, NUM_KERNELS, **cfgs)
        self.spatial_weighting = spatial_weightings(halves)

    def transform(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Weight across resolutions, split convolution, weight spatially."""
        xs = self.cross_resolution_weighting(xs)
        xs = self.conv(xs)
        return self.spatial_weighting(xs)


def split_convs(
    channels: Sequence[int],
    num_groups: Sequence[int],
    num_kernels: Sequence[int],
    **cfgs: Any,
) -> PerBranch:
    """Dynamic split convolution of each branch."""
    rows = zip(channels, num_groups, num_kernels)
    return PerBranch(DynamicSplitConv(*row, **cfgs) for row in rows)


def global_contexts(channels: Sequence[int], **cfgs: Any) -> PerBranch:
    """Global context modeling of each branch."""
    rows = zip(channels, GLOBAL_REDUCTIONS)
    return PerBranch(GlobalContextModeling(*row, **cfgs) for row in rows)


def check_context(channels: Sequence[int]) -> None:
    """Check that context modeling has reductions for these branches.

    Raises:
        ValueError: If there are too many branches or one is too narrow.
    """
    if len(channels) > len(GLOBAL_REDUCTIONS):
        raise ValueError(
            f"num_channels must have at most {len(GLOBAL_REDUCTIONS)} widths for "
            f"blocks with context modeling, got {tuple(channels)}"
        )
    # Half of a branch is reduced, and must leave a channel.
    least = tuple(2 * r for r in GLOBAL_REDUCTIONS[: len(channels)])
    narrow = any(c < low for c, low in zip(channels, least))
    if narrow or sum(channels) < 2 * DENSE_REDUCTION:
        raise ValueError(
            f"num_channels must be at least {least} for blocks with context modeling, "
            f"and {2 * DENSE_REDUCTION} together, got {tuple(channels)}"
        )


def check_split(
    channels: Sequence[int], num_groups: Sequence[int], num_kernels: Sequence[int]
) -> None:
    """Check that split convolution has groups and kernels for these branches.

    Raises:
        ValueError: If there are too few, or half of a width is not a multiple of
            its groups.
    """
    for name, counts in dict(num_groups=num_groups, num_kernels=num_kernels).items():
        if len(counts) < len(channels):
            raise ValueError(
                f"{name} must have one entry for each of the {len(channels)} branches, "
                f"got {counts}"
            )
    for width, groups in zip(channels, num_groups):
        if width // 2 % groups:
            raise ValueError(
                "num_groups must divide half of each branch's width, got "
                f"{groups} for a width of {width}"
            )
