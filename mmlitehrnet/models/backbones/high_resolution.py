"""What all four backbones share: stem -> (transition -> stage) x n -> outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.fx
from mmengine.model import BaseModule, PretrainedInit
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..layers.activation_checkpointing import run_checkpointed
from ..layers.fusion import HRNET, FirstBranch, Fusion, drop_unused_keys
from ..layers.iterative_head import IterativeHead
from ..layers.norm import batches_counted_together, replace_norm
from ..layers.resolution_paths import ConvStep, Transition
from ..layers.tracing import is_compiling
from .arguments import (
    check,
    check_count,
    check_flag,
    check_image,
    check_layer,
    check_out_indices,
    is_int,
)
from .feature_info import FeatureInfo
from .specs import StageSpec

if TYPE_CHECKING:
    from ..deployed.form import Form

torch.fx.wrap("check_image")  # It looks at the input: one node in a graph.

# As in MMPose's LiteHRNet and HRNet.
DEFAULT_INIT = [
    dict(type="Normal", std=0.001, layer=["Conv2d"]),
    dict(type="Constant", val=1, layer=["_BatchNorm", "GroupNorm"]),
]


class HighResolutionModule(nn.Module):
    """Blocks on all branches, then the exchange between them.

    Args:
        blocks: Maps the list of branch maps to one of the same shapes.
        fusion: Exchange across resolutions, if there is one.
        blocks_name: Name of the blocks in the state dict.
    """

    def __init__(
        self, blocks: nn.Module, fusion: Fusion | None, blocks_name: str
    ) -> None:
        super().__init__()
        self.blocks_name = blocks_name
        self.add_module(blocks_name, blocks)
        if fusion is not None:
            self.fuse_layers = fusion

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps to the branch maps that the fusion gives."""
        xs = getattr(self, self.blocks_name)(xs)
        return self.fuse_layers(xs) if hasattr(self, "fuse_layers") else xs


class HighResolutionNet(BaseModule):
    """Skeleton of a network that keeps a high-resolution branch throughout.

    A subclass names its parts in the class attributes, builds a stem in its
    constructor and calls :meth:`build_stages` with its table, and says in
    :meth:`make_blocks` what a module is made of.

    Args:
        stages: The network's table.
        in_channels: Number of image channels.
        with_head: Whether the iterative head follows the last stage.
        out_indices: Branches whose maps are given out, 0 being the highest
            resolution, that of the stem's map.
        conv_cfg: Config of the convolution layers, see ``mmcv.cnn``.
        norm_cfg: Config of the normalisation layers, see ``mmcv.cnn``.
        norm_eval: Whether batch normalisation keeps to its running statistics in
            training.
        frozen_stages: -1 freezes nothing, 0 the stem, k the stem and the first k
            stages: no gradients, running statistics kept.
        with_cp: Whether to checkpoint activations, block by block.
        init_cfg: How to initialise the weights, see ``mmengine.model``.
        deploy: Whether to build the inference form, for weights that were saved
            after :meth:`switch_to_deploy`; of ``init_cfg`` only
            ``dict(type='Pretrained', ...)`` is of use there.

    Attributes:
        deploy: Whether the network is in its inference form.
    """

    init_cfg: Any
    #: One downsampling step of transitions and fusions (a staticmethod).
    step: ConvStep
    #: How fusions treat the highest resolution.
    first_branch: FirstBranch = HRNET
    #: Number of the first transition and of the first stage in their names.
    first_names: tuple[int, int] = (0, 0)
    #: Name of the blocks of a module.
    blocks_name = "layers"
    #: Pixels of the image per pixel of the stem's map.
    stem_stride = 4

    def __init__(
        self,
        stages: Sequence[StageSpec],
        in_channels: int = 3,
        with_head: bool = True,
        out_indices: int | tuple[int, ...] = (0,),
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        norm_eval: bool = False,
        frozen_stages: int = -1,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
        deploy: bool = False,
    ) -> None:
        super().__init__(init_cfg=DEFAULT_INIT if init_cfg is None else init_cfg)
        self.in_channels = check_count("in_channels", in_channels)
        self.with_head = check_flag("with_head", with_head)
        self.stages = tuple(stages)
        self.out_indices = check_out_indices(out_indices, len(stages[-1].channels))
        if conv_cfg is not None:
            check_layer("conv_cfg", conv_cfg, "Conv2d")
        self.conv_cfg = conv_cfg
        norm_cfg = dict(type="BN") if norm_cfg is None else norm_cfg
        self.norm_cfg = replace_norm(check_layer("norm_cfg", norm_cfg, "BN"))
        self.norm_eval = check_flag("norm_eval", norm_eval)
        self.frozen_stages = frozen_stages
        self.with_cp = check_flag("with_cp", with_cp)
        self._build_deployed = check_flag("deploy", deploy)
        self.deploy = False
        self._target: str | Form | None = None

    @property
    def is_pretrained(self) -> bool:
        """Whether ``init_cfg`` loads weights."""
        cfgs = [self.init_cfg] if isinstance(self.init_cfg, dict) else self.init_cfg
        return any(cfg["type"] in ("Pretrained", PretrainedInit) for cfg in cfgs or ())

    @property
    def layer_cfgs(self) -> dict[str, Any]:
        """Configs that all layers are built with."""
        return dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg)

    def make_blocks(self, stage: StageSpec) -> nn.Module:
        """Build the blocks of a module: branch maps to maps of the same shapes."""
        raise NotImplementedError

    def build_stages(self, in_channels: int, upsampling: str = "nearest") -> None:
        """Add the transitions and stages of the table, and the head.

        Args:
            in_channels: Width of the stem's map.
            upsampling: How fusions upsample, 'nearest' or 'bilinear'.

        Raises:
            ValueError: If ``frozen_stages`` names a stage that is not there, or the
                last stage has no fusion and ``out_indices`` leaves out branches of it.
        """
        first_transition, first_stage = self.first_names
        self.stage_names = [
            (f"transition{first_transition + i}", f"stage{first_stage + i}")
            for i in range(len(self.stages))
        ]
        widths = [self.widths(stage) for stage in self.stages]
        outputs = [tuple(range(len(channels))) for channels in widths]
        outputs[-1] = self._outputs_of_last()
        before: tuple[int, ...] = (in_channels,)
        rows = zip(self.stage_names, self.stages, widths, outputs)
        for (transition, name), stage, channels, branches in rows:
            layers = Transition.build(self.step, before, channels, **self.layer_cfgs)
            self.add_module(transition, layers)
            self.add_module(name, self._make_stage(stage, branches, upsampling))
            before = channels
        if self.with_head:
            first_output = min(self.out_indices)
            self.head_layer = IterativeHead.build(
                before, first_output, **self.layer_cfgs
            )
            before = IterativeHead.widths(before)
        self._positions = [outputs[-1].index(i) for i in self.out_indices]
        self._out_channels = tuple(before[i] for i in self.out_indices)
        most = len(self.freezable) - 1
        frozen = self.frozen_stages
        good = is_int(frozen) and -1 <= frozen <= most
        check(good, "frozen_stages", f"an int from -1 to {most}", frozen)
        self._freeze_stages()
        if self._build_deployed:
            self.switch_to_deploy()

    def widths(self, stage: StageSpec) -> tuple[int, ...]:
        """Widths of a stage's maps, highest resolution first."""
        return stage.channels

    def _outputs_of_last(self) -> tuple[int, ...]:
        """Branches that the last module computes, in the order of its maps."""
        stage = self.stages[-1]
        branches = tuple(range(len(stage.channels)))
        needed = self.out_indices
        if self.with_head:  # It reads every branch from the highest needed one down.
            needed = branches[min(self.out_indices) :]
        if stage.has_fusion:
            return needed
        right = f"all of {branches}, as the last stage has no fusion (with_fuse)"
        check(len(needed) == len(branches), "out_indices", right, self.out_indices)
        return branches  # Nothing puts them in another order.

    def _make_stage(
        self, stage: StageSpec, outputs: Sequence[int], upsampling: str
    ) -> nn.Sequential:
        """Build the modules of a stage, of which the last one gives ``outputs``."""
        every = range(len(stage.channels))
        modules = []
        for branches in [every] * (stage.num_modules - 1) + [outputs]:
            fusion = None
            if stage.has_fusion:
                fusion = Fusion.build(
                    self.step,
                    self.widths(stage),
                    branches,
                    self.first_branch,
                    upsampling,
                    **self.layer_cfgs,
                )
            blocks = self.make_blocks(stage)
            modules.append(HighResolutionModule(blocks, fusion, self.blocks_name))
        return nn.Sequential(*modules)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        if not self.with_head:  # Checkpoints of whole networks stay loadable.
            drop_unused_keys(state_dict, [f"{prefix}head_layer."], "head_layer")
        super()._load_from_state_dict(state_dict, prefix, *args)

    @property
    def out_channels(self) -> tuple[int, ...]:
        """Widths of the maps that :meth:`forward` gives, in its order."""
        return self._out_channels

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels of the image per pixel of each map, in the order of the maps."""
        return tuple(self.stem_stride * 2**i for i in self.out_indices)

    @property
    def feature_info(self) -> FeatureInfo:
        """The maps as timm describes them."""
        return FeatureInfo(self.out_channels, self.strides)

    @property
    def size_divisor(self) -> int:
        """What image sides are multiples of where all are halved without a rest."""
        return self.stem_stride * 2 ** (len(self.stages[-1].channels) - 1)

    @property
    def freezable(self) -> list[tuple[str, ...]]:
        """Names of the modules that each step of ``frozen_stages`` freezes."""
        return [("stem",), *self.stage_names]

    def stem_layers(self) -> list[nn.Module]:
        """Layers from the image to the first map, in the order in which they run."""
        return [self.stem]

    def forward_stem(self, x: Tensor) -> Tensor:
        """Map the image (N, in_channels, H, W) to (N, C, H / 4, W / 4)."""
        return run_checkpointed(self.stem, x, self.with_cp)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps named by ``out_indices``.

        Args:
            x: Images of shape (N, in_channels, H, W), of any size; every halving
                of an odd size rounds up.

        Returns:
            Maps of shapes (N, ``out_channels[k]``, H / ``strides[k]``,
            W / ``strides[k]``), rounded up.

        Raises:
            ValueError: If ``x`` is not a floating-point tensor of such a shape.
        """
        check_image(x, self.in_channels)
        if self.deploy:
            return self.deployed(x)
        if not self.training or is_compiling() or torch.jit.is_tracing():
            return self._compute(x)
        with batches_counted_together():
            return self._compute(x)

    def _compute(self, x: Tensor) -> tuple[Tensor, ...]:
        xs = [self.forward_stem(x)]
        for transition, stage in self.stage_names:
            xs = getattr(self, transition)(xs)
            xs = getattr(self, stage)(xs)
        if self.with_head:
            xs = self.head_layer(xs)
        return tuple(xs[k] for k in self._positions)

    def train(self, mode: bool = True) -> HighResolutionNet:
        """Set the training mode; frozen and ``norm_eval`` layers stay in evaluation.

        So does the whole network in its inference form.

        Args:
            mode: Whether to train.

        Returns:
            The network itself.
        """
        super().train(mode and not self.deploy)
        if self.deploy:
            return self
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    @torch.no_grad()
    def switch_to_deploy(
        self,
        test_cfg: dict | None = None,
        target: str | Form = "pytorch",
        batch_size: int = 1,
    ) -> None:
        """Give the network its inference form, in place.

        It gives the same maps, to rounding, in a fraction of the time, and can no
        longer be trained. Called again it stays as it is. See
        :func:`mmlitehrnet.deploy.switch_to_deploy` for a copy.

        Args:
            test_cfg: What MMPose's models call this with; of no effect.
            target: Runtime that it is for: 'pytorch', 'onnxruntime' or 'openvino';
                or a form of one's own.
            batch_size: Number of images that it is made for. It takes any other
                number too; Dite-HRNet has another form for several than for one.

        Raises:
            TypeError: If it has layers that cannot be deployed.
            ValueError: If there is no such target, it has been switched to another
                one, or an argument is not as described.
        """
        good = test_cfg is None or isinstance(test_cfg, dict)
        check(good, "test_cfg", "a dict or None (target names a runtime)", test_cfg)
        check_count("batch_size", batch_size)
        # Only who switches a network needs it.
        from ..deployed.form import find_form
        from ..deployed.network import DeployedNet

        form = find_form(target, self, batch_size)
        if self.deploy:
            right = f"{self._target!r}, to which the network is switched already"
            check(target == self._target, "target", right, target)
            return
        deployed = DeployedNet(
            self.stem_layers(), self._parts(), self._positions, self.in_channels, form
        ).lay_out(next(self.parameters()))
        for name in list(self._modules):
            delattr(self, name)
        self.deployed = deployed
        self.deploy, self._target = True, target
        # Initialisers would undo what the weights are made of.
        self.init_cfg = self.init_cfg if self.is_pretrained else None
        self.eval()

    def _parts(self) -> Iterator[nn.Module]:
        """What maps branch maps to branch maps, in the order in which it runs."""
        for transition, stage in self.stage_names:
            yield getattr(self, transition)
            for module in getattr(self, stage):
                yield from module.children()  # Blocks, and the fusion if there is one.
        if self.with_head:
            yield self.head_layer

    def _freeze_stages(self) -> None:
        for names in self.freezable[: self.frozen_stages + 1]:
            for name in names:
                module = getattr(self, name).eval()
                for parameter in module.parameters():
                    parameter.requires_grad = False
