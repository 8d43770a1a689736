"""Small HRNet (HRNet: TPAMI 2020, arXiv:1908.07919)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from mmcv.cnn import build_conv_layer
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from ..layers.activation_checkpointing import Blocks
from ..layers.fusion import HRNET, UPSAMPLING
from ..layers.norm import build_norm
from ..layers.per_branch import PerBranch
from ..layers.residual import BasicBlock, Bottleneck, ResidualBlock
from ..layers.resolution_paths import full_step
from .arguments import check, check_choice, check_flag
from .high_resolution import HighResolutionNet
from .specs import Arch, BlockType, StageSpec, find_arch, parse_hrnet

STEM_WIDTH = 64
#: Library, by the name of its scope -> defaults of its HRNet. The others', MMPose's
#: among them, are those of :class:`SmallHRNet`.
HRNET_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "mmseg": dict(multiscale_output=True, upsample="bilinear"),
    "mmdet": dict(multiscale_output=True, norm_eval=True),
    "mmpretrain": dict(multiscale_output=True),
}


def hrnet_defaults() -> Mapping[str, Any]:
    """Defaults of the HRNet of the library whose scope is the current one."""
    scope = DefaultScope.get_current_instance()
    return HRNET_DEFAULTS.get(scope.scope_name, {}) if scope else {}


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

    It takes the place of a library's HRNet in a config of which only the ``type`` is
    changed: where ``extra`` gives the network, what is left out of
    ``multiscale_output``, ``upsample`` and ``norm_eval`` is what it is for the HRNet of
    the library whose scope is the current one. MMSegmentation's gives all maps and
    upsamples bilinearly, MMDetection's gives all maps and has ``norm_eval=True``.

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
            :class:`~mmlitehrnet.LiteHRNet`. Default: all with
            ``multiscale_output=True``, else (0,).
        multiscale_output: HRNet's name for all or one of them. Default: what
            ``stage4`` says, or False.
        upsample: How fusions upsample: 'nearest', as MMPose's HRNet, or
            'bilinear', as MMSegmentation's. Default: what ``extra`` says, or
            'nearest'.
        zero_init_residual: Whether the last normalisation of each residual block
            starts with weight 0, which makes the block an identity.
        pretrained: Older name for ``init_cfg=dict(type='Pretrained',
            checkpoint=pretrained)``.
        frozen_stages: -1 freezes nothing, 0 the stem, k the stem, the first k
            stages and the transition after each of them.
        **kwargs: ``conv_cfg``, ``norm_cfg``, ``norm_eval``, ``with_cp``,
            ``init_cfg``, ``deploy``, as of :class:`~mmlitehrnet.LiteHRNet`.

    Raises:
        ValueError: If an argument is not as described.

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
        name: BlockType(cls, min_width=1, width_multiple=1)
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
        multiscale_output: bool | None = None,
        zero_init_residual: bool = False,
        pretrained: str | None = None,
        **kwargs: Any,
    ) -> None:
        parse = partial(parse_hrnet, block_types=self.block_types)
        found = find_arch(arch, extra, self.archs, parse)
        defaults = {} if extra is None else hrnet_defaults()
        if upsample is None:
            upsample = found.upsample or defaults.get("upsample", "nearest")
        check_choice("upsample", upsample, UPSAMPLING)
        right = f"{found.upsample!r}, as extra says, or left out"
        check(found.upsample in (None, upsample), "upsample", right, upsample)
        good = out_indices is None or multiscale_output is None
        right = "left out where multiscale_output is given"
        check(good, "out_indices", right, out_indices)
        every: bool | None = multiscale_output
        every = found.multiscale_output if every is None else every
        every = defaults.get("multiscale_output", False) if every is None else every
        check_flag("multiscale_output", every)
        if out_indices is None:
            out_indices = (0, 1, 2, 3) if every else (0,)
        if pretrained is not None:
            check(isinstance(pretrained, str), "pretrained", "a file", pretrained)
            init_cfg = kwargs.get("init_cfg")
            right = "left out where pretrained is given"
            check(init_cfg is None, "init_cfg", right, init_cfg)
            kwargs["init_cfg"] = dict(type="Pretrained", checkpoint=pretrained)
        kwargs.setdefault("norm_eval", defaults.get("norm_eval", False))
        first, *others = found.stages
        super().__init__(others, in_channels, with_head, out_indices, **kwargs)
        self.zero_init_residual = check_flag("zero_init_residual", zero_init_residual)
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

    def init_weights(self) -> None:
        """Initialise the weights as ``init_cfg`` and ``zero_init_residual`` say."""
        first_time = not self.is_init
        super().init_weights()
        if not (self.zero_init_residual and first_time) or self.is_pretrained:
            return
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                nn.init.zeros_(module.last_norm.get_parameter("weight"))

    def widths(self, stage: StageSpec) -> tuple[int, ...]:
        """Widths of a stage's maps, highest resolution first."""
        expansion = self.block_types[stage.block].cls.expansion
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
