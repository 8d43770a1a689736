"""Small HRNet (HRNet: TPAMI 2020, arXiv:1908.07919)."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from mmcv.cnn import build_conv_layer, build_norm_layer
from torch import Tensor, nn

from ..layers.activation_checkpointing import Blocks, PerBranch
from ..layers.fusion import UPSAMPLING, Fusion
from ..layers.residual import BasicBlock, Bottleneck, ResidualBlock
from ..layers.resolution_paths import full_step
from .arguments import (
    check_choice,
    check_count,
    check_flag,
    check_keys,
    check_sequence,
)
from .high_resolution import HighResolutionNet, Stage

STEM_WIDTH = 64
BLOCKS: dict[str, type[ResidualBlock]] = {"BASIC": BasicBlock, "BOTTLENECK": Bottleneck}
STAGES = ("stage1", "stage2", "stage3", "stage4")


def _row(first: tuple[int, int], num_modules: tuple[int, int, int], width: int) -> dict:
    """A row in the layout of ``extra``.

    Args:
        first: Blocks and width of the first stage's bottlenecks.
        num_modules: Modules of the stages 2, 3, 4.
        width: Width of the highest resolution; it doubles from branch to branch.
    """
    num_blocks, first_width = first
    row = dict(
        stage1=dict(
            num_modules=1,
            num_branches=1,
            block="BOTTLENECK",
            num_blocks=(num_blocks,),
            num_channels=(first_width,),
        )
    )
    for i, modules in enumerate(num_modules, start=2):
        row[f"stage{i}"] = dict(
            num_modules=modules,
            num_branches=i,
            block="BASIC",
            num_blocks=(2,) * i,
            num_channels=tuple(width * 2**k for k in range(i)),
        )
    return row


class StageRow(NamedTuple):
    """One stage as the user gave it, checked."""

    num_modules: int
    block: type[ResidualBlock]
    num_blocks: tuple[int, ...]
    num_channels: tuple[int, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the maps that the blocks give."""
        return tuple(c * self.block.expansion for c in self.num_channels)

    def make_blocks(
        self, in_channels: tuple[int, ...], with_cp: bool, cfgs: dict
    ) -> PerBranch:
        """Build the residual blocks of a module, for each branch."""
        branches = []
        columns = zip(in_channels, self.widths, self.num_channels, self.num_blocks)
        for width, out, channels, num_blocks in columns:
            blocks = [
                self.block(width if k == 0 else out, channels, **cfgs)
                for k in range(num_blocks)
            ]
            branches.append(Blocks(*blocks, with_cp=with_cp))
        return PerBranch(branches)


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
            ``init_cfg``, as of :class:`~mmlitehrnet.LiteHRNet`.

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
    fusion = Fusion
    first_names = (1, 2)
    blocks_name = "branches"
    archs = {
        "w16": _row(first=(1, 32), num_modules=(1, 1, 1), width=16),
        "w18_v2": _row(first=(2, 64), num_modules=(1, 3, 2), width=18),
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
        rows, multiscale, mode = _find_rows(arch, extra, self.archs)
        if upsample is None:
            upsample = mode or "nearest"
        check_choice("upsample", upsample, UPSAMPLING)
        if mode not in (None, upsample):
            raise ValueError(
                f"upsample must be what extra['upsample'] says, {mode!r}, or be left "
                f"out, got {upsample!r}"
            )
        if out_indices is None:
            out_indices = (0, 1, 2, 3) if multiscale else (0,)
        super().__init__(in_channels, with_head, out_indices, **kwargs)
        cfgs = dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg)
        # The names of the stem's layers are those of existing checkpoints.
        for k, width in enumerate((in_channels, STEM_WIDTH), start=1):
            conv = build_conv_layer(
                self.conv_cfg, width, STEM_WIDTH, 3, stride=2, padding=1, bias=False
            )
            self.add_module(f"conv{k}", conv)
            self.add_module(f"bn{k}", build_norm_layer(self.norm_cfg, STEM_WIDTH)[1])
        self.relu = nn.ReLU(inplace=True)
        first, *others = rows
        self.layer1 = first.make_blocks((STEM_WIDTH,), self.with_cp, cfgs)[0]
        stages = [
            Stage(
                row.widths,
                row.num_modules,
                partial(row.make_blocks, row.widths, self.with_cp, cfgs),
            )
            for row in others
        ]
        self.build_stages(first.widths[0], stages, upsample)

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

    def forward_stem(self, x: Tensor) -> Tensor:
        """Map the image (N, in_channels, H, W) to (N, C, H / 4, W / 4)."""
        for conv, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2)):
            x = self.relu(norm(conv(x)))
        return self.layer1(x)


def _find_rows(
    arch: Any, extra: Any, archs: dict[str, dict]
) -> tuple[list[StageRow], bool, str | None]:
    """Check ``arch`` and ``extra``.

    Returns:
        The stages, whether all maps go out, and how fusions upsample, if it says so.
    """
    name, given = ("arch", arch) if extra is None else ("extra", extra)
    if arch is not None and extra is not None:
        raise ValueError(
            f"give either arch or extra, not both: arch={arch!r}, extra={extra!r}"
        )
    given = "w16" if given is None else given
    if isinstance(given, str) and name == "arch":
        given = archs[check_choice(name, given, archs)]
    check_keys(name, given, (*STAGES, "upsample"))
    rows = []
    for i, stage in enumerate(STAGES, start=1):
        if stage not in given:
            raise ValueError(f"{name} must have {list(STAGES)}, got {list(given)}")
        rows.append(_parse_stage(given[stage], f"{name}[{stage!r}]", i))
    multiscale = check_flag(
        f"{name}['stage4']['multiscale_output']",
        given["stage4"].get("multiscale_output", False),
    )
    mode = None
    if "upsample" in given:
        mode = _parse_upsample(given["upsample"], f"{name}['upsample']")
    return rows, multiscale, mode


def _parse_upsample(given: Any, name: str) -> str:
    check_keys(name, given, ("mode", "align_corners"))
    if given.get("align_corners"):
        raise ValueError(
            f"{name}['align_corners'] must be False or None, got "
            f"{given['align_corners']!r}"
        )
    return check_choice(f"{name}['mode']", given.get("mode", "nearest"), UPSAMPLING)


def _parse_stage(given: Any, name: str, num_branches: int) -> StageRow:
    required = ("num_modules", "num_branches", "block", "num_blocks", "num_channels")
    check_keys(name, given, (*required, "multiscale_output"))
    for key in required:
        if key not in given:
            raise ValueError(f"{name} must have {key!r}, got {given!r}")
    if given["num_branches"] != num_branches:
        raise ValueError(
            f"{name}['num_branches'] must be {num_branches}, got "
            f"{given['num_branches']!r}"
        )
    columns = []
    for key in ("num_blocks", "num_channels"):
        label = f"{name}[{key!r}]"
        values = check_sequence(label, given[key])
        if len(values) != num_branches:
            raise ValueError(
                f"{label} must have {num_branches} elements, got {given[key]!r}"
            )
        columns.append(tuple(check_count(label, value) for value in values))
    block = check_choice(f"{name}['block']", given["block"], BLOCKS)
    modules = check_count(f"{name}['num_modules']", given["num_modules"])
    return StageRow(modules, BLOCKS[block], *columns)
