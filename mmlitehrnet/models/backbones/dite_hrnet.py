"""Dite-HRNet (IJCAI 2022, arXiv:2204.10762)."""

from __future__ import annotations

from typing import Any

from ..layers.context_modeling import CONTEXT_POOLING
from ..layers.dmc_block import NUM_GROUPS, NUM_KERNELS
from ..layers.fusion import DITE_HRNET
from ..layers.stem import DGCStem
from .arguments import check, check_choice, check_count, check_list
from .lite_hrnet import WEIGHTING_BLOCKS, LiteHRNet, arch_row


class DiteHRNet(LiteHRNet):
    """Dite-HRNet: dynamic split convolution and adaptive context modeling.

    Rows of ``arch`` (widths 40, 80, 160, 320; two DMC blocks in each module, a DGC
    block in the stem):

    ====  =======
    arch  modules
    ====  =======
    '18'  2, 4, 2
    '30'  3, 8, 3
    ====  =======

    Parameter names are those of the released code; see
    :class:`~mmlitehrnet.models.layers.fusion.Fusion` for the fusion.

    Args:
        arch: A row of the table, or a dict in the layout of ``extra``. Default:
            '18'.
        extra: The network as the released configs give it, in place of ``arch``: a
            dict of ``stem`` (``stem_channels``, ``out_channels``), ``num_stages``,
            ``with_head`` and ``stages_spec`` (``num_modules``, ``num_branches``,
            ``num_blocks``, ``with_fuse``, ``num_channels``).
        in_channels: Number of image channels.
        with_head: Whether the iterative head follows the last stage. Default:
            what ``extra`` says, else True.
        out_indices: Branches whose maps are given out, as of :class:`LiteHRNet`.
        num_groups: Groups of the dynamic split convolution of each branch (G in
            the paper's Table 5), highest resolution first.
        num_kernels: Kernels of the dynamic split convolution of each branch (N in
            the paper's Table 5); 1 is an ordinary convolution.
        context_pooling: 'window', dense context modeling over windows of the image
            as the paper defines it, or 'official', what the released code
            computes, for weights that were trained with it; it needs image sides
            that are multiples of 32.
        **kwargs: ``conv_cfg``, ``norm_cfg``, ``norm_eval``, ``frozen_stages``,
            ``with_cp``, ``init_cfg``, ``deploy``, as of :class:`LiteHRNet`.

    Raises:
        ValueError: If an argument is not as described.

    Example:
        >>> import torch
        >>> from mmlitehrnet import DiteHRNet
        >>> net = DiteHRNet(arch='18')
        >>> [tuple(x.shape) for x in net(torch.rand(1, 3, 256, 192))]
        [(1, 40, 64, 48)]
    """

    first_branch = DITE_HRNET
    stem_type = DGCStem
    stem_defaults = dict(stem_channels=32, out_channels=32)
    stem_multiple = 8
    block_types = {"DITE": WEIGHTING_BLOCKS["LITE_ACM_DSC"]}
    archs = {"18": arch_row((2, 4, 2), "DITE"), "30": arch_row((3, 8, 3), "DITE")}

    def __init__(
        self,
        arch: str | dict | None = None,
        extra: dict | None = None,
        in_channels: int = 3,
        with_head: bool | None = None,
        out_indices: int | tuple[int, ...] = (0,),
        num_groups: tuple[int, ...] = NUM_GROUPS,
        num_kernels: tuple[int, ...] = NUM_KERNELS,
        context_pooling: str = "window",
        **kwargs: Any,
    ) -> None:
        check_choice("context_pooling", context_pooling, CONTEXT_POOLING)
        self.block_options = dict(
            num_groups=_counts("num_groups", num_groups),
            num_kernels=_counts("num_kernels", num_kernels),
            context_pooling=context_pooling,
        )
        super().__init__(arch, extra, in_channels, with_head, out_indices, **kwargs)
        most = max(len(stage.channels) for stage in self.stages)
        for name, given, default in (
            ("num_groups", num_groups, NUM_GROUPS),
            ("num_kernels", num_kernels, NUM_KERNELS),
        ):
            good = given is default or len(given) <= most
            check(good, name, f"one number for each of {most} branches", given)


def _counts(name: str, value: Any) -> tuple[int, ...]:
    return tuple(check_count(name, count) for count in check_list(name, value))
