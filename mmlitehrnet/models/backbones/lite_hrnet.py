"""Lite-HRNet and Naive Lite-HRNet (CVPR 2021, arXiv:2104.06403)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from ..layers.activation_checkpointing import Blocks
from ..layers.channel_weighting import SPATIAL_REDUCTION, ConditionalChannelWeighting
from ..layers.dmc_block import ACMBlock, DMCBlock, DSCBlock
from ..layers.fusion import LITE_HRNET, FirstBranch
from ..layers.per_branch import PerBranch
from ..layers.resolution_paths import separable_step
from ..layers.shuffle import ShuffleUnit
from ..layers.stem import LiteStem
from .arguments import check
from .high_resolution import HighResolutionNet
from .specs import Arch, BlockType, StageSpec, find_arch, parse_lite_hrnet

# Half of a branch, reduced by the spatial weighting, must leave a channel.
_MIN_WIDTH = 2 * SPATIAL_REDUCTION

#: Blocks with channel weighting: ``module_type`` -> block.
WEIGHTING_BLOCKS = {
    "LITE": BlockType(ConditionalChannelWeighting, min_width=_MIN_WIDTH, reduces=True),
    "LITE_SPATIAL": BlockType(
        ConditionalChannelWeighting, dict(cross_resolution=False), _MIN_WIDTH
    ),
    "LITE_CROSS": BlockType(
        ConditionalChannelWeighting, dict(spatial=False), reduces=True
    ),
    "LITE_ACM": BlockType(ACMBlock, min_width=_MIN_WIDTH),
    "LITE_DSC": BlockType(DSCBlock, min_width=_MIN_WIDTH, reduces=True),
    "LITE_ACM_DSC": BlockType(DMCBlock, min_width=_MIN_WIDTH),
}
#: Shuffle units: ``module_type`` -> block.
SHUFFLE_BLOCKS = {
    "NAIVE": BlockType(ShuffleUnit),
    "NAIVE_DROP1": BlockType(ShuffleUnit, dict(pointwise=(None, "linear"))),
    "NAIVE_DROP2": BlockType(ShuffleUnit, dict(pointwise=(None, None))),
}


def arch_row(
    num_modules: tuple[int, ...],
    block: str,
    channels: tuple[int, ...] = (40, 80, 160, 320),
) -> Arch:
    """A network of the papers: stages of 2, 3 and 4 branches, two blocks a module.

    Args:
        num_modules: Modules of each stage.
        block: Kind of blocks.
        channels: Widths of the branches, highest resolution first.
    """
    return Arch(
        tuple(
            StageSpec(modules, (2,) * n, block, channels[:n])
            for n, modules in enumerate(num_modules, start=2)
        )
    )


#: Intel's networks for segmentation (OpenVINO Training Extensions), which have no head.
INTEL_S = Arch(
    (
        StageSpec(4, (2,) * 2, "LITE", (60, 120)),
        StageSpec(4, (2,) * 3, "LITE", (60, 120, 240)),
    ),
    dict(extra_stride=True),
)
INTEL_X = Arch(
    tuple(
        StageSpec(modules, (2,) * n, "LITE", (18, 60, 80, 160, 320)[:n], True, ratio)
        for n, modules, ratio in [(2, 2, 2), (3, 4, 4), (4, 4, 8), (5, 2, 8)]
    ),
    dict(stem_channels=60, out_channels=60, strides=(2, 1)),
)


class LiteHRNet(HighResolutionNet):
    """Lite-HRNet: shuffle blocks with conditional channel weighting.

    Rows of ``arch`` (widths 40, 80, 160, 320; two blocks in each module):

    =============  ================  ==========================================
    arch           modules           blocks
    =============  ================  ==========================================
    '18'           2, 4, 2           conditional channel weighting (Table 1)
    '30'           3, 8, 3           the same
    '18_spatial'   2, 4, 2           its spatial weights only (Table 5)
    '18_cross'     2, 4, 2           its cross-resolution weights only (Table 5)
    '18_acm'       2, 4, 2           Dite-HRNet's DCM and GCM for the weightings
    '18_dsc'       2, 4, 2           Dite-HRNet's DSC for the depthwise
                                     convolution
    '18_acm_dsc'   2, 4, 2           both (Dite-HRNet, Table 4)
    's'            4, 4              as '18', of widths 60, 120, 240; maps from 1/8
                                     on (Intel's Lite-HRNet-S)
    'x'            2, 4, 4, 2        as '18', of widths 18, 60, 80, 160, 320; maps
                                     from 1/2 on (Intel's Lite-HRNet-X)
    =============  ================  ==========================================

    Parameter names and outputs are those of MMPose 1.3.2's LiteHRNet; see
    :class:`~mmlitehrnet.models.layers.fusion.Fusion` for the fusion.

    Args:
        arch: A row of the table, or a dict in the layout of ``extra``. Default:
            '18'.
        extra: The network as the configs of MMPose's LiteHRNet give it, in place of
            ``arch``: a dict of ``stem`` (``stem_channels``, ``out_channels``,
            ``expand_ratio`` and, as in OpenVINO Training Extensions, ``strides``,
            ``extra_stride``: see :class:`.LiteStem`), ``num_stages``, ``with_head``
            and ``stages_spec``, which holds for each stage ``num_modules``,
            ``num_branches``, ``num_blocks``, ``module_type`` ('LITE', 'NAIVE'),
            ``with_fuse``, ``reduce_ratios``, ``num_channels``. All but ``num_modules``
            and ``num_channels`` have the paper's values as defaults.
        in_channels: Number of image channels.
        with_head: Whether the iterative head follows the last stage. Default:
            what ``extra`` says, else True.
        out_indices: Branches whose maps are given out: 0 is 1/4 of the image's
            size (of 's' 1/8, of 'x' 1/2), each further one half that. Fusion paths
            and head convolutions that no such map depends on are not built.
        conv_cfg: Config of the convolution layers, see ``mmcv.cnn``.
        norm_cfg: Config of the normalisation layers. Default: dict(type='BN').
        norm_eval: Whether batch normalisation keeps to its running statistics in
            training.
        frozen_stages: -1 freezes nothing, 0 the stem, k the stem and the first k
            stages.
        with_cp: Whether to drop the activations of each block and compute them
            again in the backward pass.
        init_cfg: Initialisation, as ``dict(type='Pretrained', checkpoint=...)``.
            Default: normal with standard deviation 0.001 for convolutions.
        deploy: Whether to build the inference form, for weights that were saved
            after :meth:`switch_to_deploy`.

    Raises:
        ValueError: If an argument is not as described.

    Example:
        >>> import torch
        >>> from mmlitehrnet import LiteHRNet
        >>> net = LiteHRNet(arch='18', out_indices=(0, 1, 2, 3), with_head=False)
        >>> [tuple(x.shape) for x in net(torch.rand(1, 3, 256, 192))]
        [(1, 40, 64, 48), (1, 80, 32, 24), (1, 160, 16, 12), (1, 320, 8, 6)]
        >>> net.out_channels, net.strides
        ((40, 80, 160, 320), (4, 8, 16, 32))
    """

    step = staticmethod(separable_step)
    first_branch: FirstBranch = LITE_HRNET
    stem_type: type[nn.Module] = LiteStem
    #: Arguments of the stem and their defaults; its widths are multiples of the second.
    stem_defaults: Mapping[str, Any] = dict(
        stem_channels=32,
        out_channels=32,
        expand_ratio=1,
        strides=(2, 2),
        extra_stride=False,
    )
    stem_multiple = 2
    #: Arguments of the blocks that are no part of the table.
    block_options: Mapping[str, Any] = {}
    #: ``module_type`` -> block; the first is the default.
    block_types: Mapping[str, BlockType] = {
        "LITE": WEIGHTING_BLOCKS["LITE"],
        "NAIVE": SHUFFLE_BLOCKS["NAIVE"],
        **WEIGHTING_BLOCKS,
    }
    archs: Mapping[str, Arch] = {
        "18": arch_row((2, 4, 2), "LITE"),
        "30": arch_row((3, 8, 3), "LITE"),
        "18_spatial": arch_row((2, 4, 2), "LITE_SPATIAL"),
        "18_cross": arch_row((2, 4, 2), "LITE_CROSS"),
        "18_acm": arch_row((2, 4, 2), "LITE_ACM"),
        "18_dsc": arch_row((2, 4, 2), "LITE_DSC"),
        "18_acm_dsc": arch_row((2, 4, 2), "LITE_ACM_DSC"),
        "s": INTEL_S,
        "x": INTEL_X,
    }

    def __init__(
        self,
        arch: str | dict | None = None,
        extra: dict | None = None,
        in_channels: int = 3,
        with_head: bool | None = None,
        out_indices: int | tuple[int, ...] = (0,),
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        norm_eval: bool = False,
        frozen_stages: int = -1,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
        deploy: bool = False,
    ) -> None:
        parse = partial(
            parse_lite_hrnet,
            block_types=self.block_types,
            stem=self.stem_defaults,
            multiple=self.stem_multiple,
        )
        found = find_arch(arch, extra, self.archs, parse)
        if with_head is None:
            with_head = True if found.with_head is None else found.with_head
        right = f"{found.with_head}, as the dict of the network says, or left out"
        check(found.with_head in (None, with_head), "with_head", right, with_head)
        super().__init__(
            found.stages, in_channels, with_head, out_indices, conv_cfg, norm_cfg,
            norm_eval, frozen_stages, with_cp, init_cfg, deploy,
        )  # fmt: skip
        stem = {**self.stem_defaults, **found.stem}
        self.stem = self.stem_type(in_channels, **stem, **self.layer_cfgs)
        self.stem_stride = math.prod(stem.get("strides", (2, 2)))
        self.stem_stride *= 1 + stem.get("extra_stride", False)
        self.build_stages(stem["out_channels"])

    def make_blocks(self, stage: StageSpec) -> nn.Module:
        """Build the blocks of a module: branch maps to branch maps."""
        kind = self.block_types[stage.block]
        options = {**kind.arguments, **self.block_options, **self.layer_cfgs}
        if kind.reduces:
            options["reduce_ratio"] = stage.reduce_ratio
        if kind.cls is ShuffleUnit:  # Each branch by itself.
            return PerBranch(
                Blocks(
                    *(ShuffleUnit(width, **options) for _ in range(num_blocks)),
                    with_cp=self.with_cp,
                )
                for width, num_blocks in zip(stage.channels, stage.num_blocks)
            )
        return Blocks(
            *(kind.cls(stage.channels, **options) for _ in range(stage.num_blocks[0])),
            with_cp=self.with_cp,
        )


class NaiveLiteHRNet(LiteHRNet):
    """Naive Lite-HRNet: plain shuffle units in the place of channel weighting.

    Rows of ``arch`` (modules 2, 4, 2; two blocks in each module):

    ================  ==================  =====================================
    arch              widths              blocks
    ================  ==================  =====================================
    '18'              30, 60, 120, 240    shuffle units (Lite-HRNet, Table 1)
    'wider_18'        40, 80, 160, 320    the same
    'wider_18_drop1'  40, 80, 160, 320    without the first 1x1 convolution and
                                          the ReLU after the second (Table 5)
    'wider_18_drop2'  40, 80, 160, 320    without both 1x1 convolutions (Table 5)
    ================  ==================  =====================================

    Arguments as of :class:`LiteHRNet`; ``module_type`` in a dict is 'NAIVE'.

    Example:
        >>> import torch
        >>> from mmlitehrnet import NaiveLiteHRNet
        >>> net = NaiveLiteHRNet(arch='wider_18')
        >>> [tuple(x.shape) for x in net(torch.rand(1, 3, 256, 192))]
        [(1, 40, 64, 48)]
    """

    block_types = SHUFFLE_BLOCKS
    archs = {
        "18": arch_row((2, 4, 2), "NAIVE", (30, 60, 120, 240)),
        "wider_18": arch_row((2, 4, 2), "NAIVE"),
        "wider_18_drop1": arch_row((2, 4, 2), "NAIVE_DROP1"),
        "wider_18_drop2": arch_row((2, 4, 2), "NAIVE_DROP2"),
    }
