"""Small HRNet (HRNet: TPAMI 2020, arXiv:1908.07919)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from mmcv.cnn import build_conv_layer
from torch import Tensor, nn

from ..layers.activation_checkpointing import Blocks
from ..layers.fusion import HRNET, UPSAMPLING
from ..layers.norm import build_norm
from ..layers.per_branch import PerBranch
from ..layers.residual import BasicBlock, Bottleneck
from ..layers.resolution_paths import full_step
from .arguments import check_choice
from .high_resolution import HighResolutionNet
from .specs import Arch, BlockType, StageSpec, find_arch, parse_hrnet

STEM_WIDTH = 64


def arch_row(
    first: tuple[int, int], num_modules: tuple[int, int, int], width: int
) -> Arch:
    """A network of one stage of bottlenecks and three of two basic blocks a branch.

    Args:
        first: Blocks and width of the first stage.
        num_modules: Modules of the stages 2, 3, 4.
        width: Width of the highest resolution; it doubles from branch to branch.
    """
    num_blocks, first_width = first
    others = (
        StageSpec(modules, (2,) * n, "BASIC", tuple(width * 2**k for k in range(n)))
        for n, modules in enumerate(num_modules, start=2)
    )
    return Arch((StageSpec(1, (num_blocks,), "BOTTLENECK", (first_width,)), *others))


class SmallHRNet(HighResolutionNet):
    """HRNet at the sizes that compete with lightweight networks.

    Rows of ``arch`` (two basic blocks on each branch of a module):

    ========  ==============  =========  =============================
    arch      stage 1         modules    widths
    ========  ==============  =========  =============================
    'w16'     1 bottleneck,   1, 1, 1    16, 32, 64, 128
              32 channels
    'w18_v2'  2 bottlenecks,  1, 3, 2    18, 36, 72, 144
              64 channels
    ========  ==============  =========  =============================

    'w16' is the Small HRNet of the Lite-HRNet paper's tables; its plan (with
    widths from 18 on) is HRNetV2-W18-Small-v1, 'w18_v2' is
    HRNetV2-W18-Small-v2. Parameter names and outputs are those of MMPose's and
    MMSegmentation's HRNet.

    Args:
        arch: A row of the table, or a dict in the layout of ``extra``. Default:
            'w16'.
        extra: The network as the configs of HRNet give it, in place of ``arch``: a
            dict of ``stage1`` to ``stage4``, each with ``num_modules``,
            ``num_branches``, ``block`` ('BASIC', 'BOTTLENECK'), ``num_blocks`` and
            ``num_channels``; ``stage4`` may have ``multiscale_output``. Besides,
            ``upsample``: a dict of ``mode`` and, if any, ``align_corners=False``.
        in_channels: Number of image channels.
        with_head: Whether Lite-HRNet's iterative head follows the last stage.
        out_indices: Branches whose maps are given out, as of
            :class:`~mmlitehrnet.LiteHRNet`. Default: (0,), or all if ``stage4``
            says ``multiscale_output=True``.
        upsample: How fusions upsample: 'nearest', as MMPose's HRNet, or
            'bilinear', as MMSegmentation's. Default: what ``extra`` says, or
            'nearest'.
        frozen_stages: -1 freezes nothing, 0 the stem, k the stem, the first k
            stages and the transition after each of them.
        **kwargs: ``conv_cfg``, ``norm_cfg``, ``norm_eval``, ``with_cp``,
            ``init_cfg``, ``deploy``, as of :class:`~mmlitehrnet.LiteHRNet`.

    Raises:
        TypeError: If an argument is of another type than described.
        ValueError: If an argument has a value that is not allowed.

    Example:
        >>> import torch
        >>> from mmlitehrnet import SmallHRNet
        >>> net = SmallHRNet(arch='w16', out_indices=(0, 1, 2, 3))
        >>> [tuple(x.shape) for x in net(torch.rand(1, 3, 256, 192))]
        [(1, 16, 64, 48), (1, 32, 32, 24), (1, 64, 16, 12), (1, 128, 8, 6)]
    """

    step = staticmethod(full_step)
    first_branch = HRNET
    first_names = (1, 2)
    blocks_name = "branches"
    block_types: Mapping[str, BlockType] = {
        name: BlockType(cls, min_width=1, width_multiple=1, expansion=cls.expansion)
        for name, cls in dict(BASIC=BasicBlock, BOTTLENECK=Bottleneck).items()
    }
    archs: Mapping[str, Arch] = {
        "w16": arch_row(first=(1, 32), num_modules=(1, 1, 1), width=16),
        "w18_v2": arch_row(first=(2, 64), num_modules=(1, 3, 2), width=18),
    }

    def __init__(
        self,
        arch: str | dict | None = None,
        extra: dict | None = None,
        in_channels: int = 3,
        with_head: bool = False,
        out_indices: int | tuple[int, ...] | None = None,
        upsample: str | None = None,
        **kwargs: Any,
    ) -> None:
        parse = partial(parse_hrnet, block_types=self.block_types)
        found = find_arch(arch, extra, self.archs, parse)
        if upsample is None:
            upsample = found.upsample or "nearest"
        check_choice("upsample", upsample, UPSAMPLING)
        if found.upsample not in (None, upsample):
            raise ValueError(
                f"upsample must be what extra['upsample'] says, {found.upsample!r}, "
                f"or be left out, got {upsample!r}"
            )
        if out_indices is None:
            out_indices = (0, 1, 2, 3) if found.multiscale_output else (0,)
        first, *others = found.stages
        super().__init__(others, in_channels, with_head, out_indices, **kwargs)
        # The names of the stem's layers are those of existing checkpoints.
        for k, width in enumerate((in_channels, STEM_WIDTH), start=1):
            conv = build_conv_layer(
                self.conv_cfg, width, STEM_WIDTH, 3, stride=2, padding=1, bias=False
            )
            self.add_module(f"conv{k}", conv)
            self.add_module(f"bn{k}", build_norm(self.norm_cfg, STEM_WIDTH))
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = self._make_branches(first, (STEM_WIDTH,))[0]
        self.build_stages(self.widths(first)[0], upsample)

    def widths(self, stage: StageSpec) -> tuple[int, ...]:
        """Widths of a stage's maps, highest resolution first."""
        expansion = self.block_types[stage.block].expansion
        return tuple(width * expansion for width in stage.channels)

    def make_blocks(self, stage: StageSpec) -> nn.Module:
        """Build the residual blocks of a module, for each branch."""
        return self._make_branches(stage, self.widths(stage))

    def _make_branches(
        self, stage: StageSpec, in_channels: tuple[int, ...]
    ) -> PerBranch:
        kind = self.block_types[stage.block]
        branches = []
        columns = zip(in_channels, self.widths(stage), stage.channels, stage.num_blocks)
        for width, out, channels, num_blocks in columns:
            widths = (width, *[out] * (num_blocks - 1))
            blocks = (kind.cls(w, channels, **self.layer_cfgs) for w in widths)
            branches.append(Blocks(*blocks, with_cp=self.with_cp))
        return PerBranch(branches)

    @property
    def freezable(self) -> list[tuple[str, ...]]:
        """Names of the modules that each step of ``frozen_stages`` freezes."""
        return [
            ("conv1", "bn1", "conv2", "bn2"),
            ("layer1", "transition1"),
            ("stage2", "transition2"),
            ("stage3", "transition3"),
            ("stage4",),
        ]

    def stem_layers(self) -> list[nn.Module]:
        """Layers from the image to the first map, in the order in which they run."""
        convs = [self.conv1, self.bn1, self.relu, self.conv2, self.bn2, self.relu]
        return [*convs, self.layer1]

    def forward_stem(self, x: Tensor) -> Tensor:
        """Map the image (N, in_channels, H, W) to (N, C, H / 4, W / 4)."""
        for layer in self.stem_layers():
            x = layer(x)
        return x
