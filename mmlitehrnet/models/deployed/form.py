"""How a deployed network is laid out for a runtime, and layers that are laid out so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.context_modeling import GlobalContextModeling
from ..layers.dynamic_conv import DynamicConv2d
from ..layers.tracing import FxLeaf, is_compiling
from .early_weight import EarlyWeight
from .fold import Folded, block_diagonal, fold, read_norm
from .orders import ChannelOrder

# The sigmoid of this is exactly 1: channels that are not weighted pass unchanged.
_ALWAYS = 100.0
# Maps of up to this many values are small (measured on two cores).
_SMALL = 2**17


class PointwiseConv(FxLeaf, nn.Conv2d):
    """1x1 convolution, of small maps in PyTorch on the CPU as a product of matrices.

    A convolution's own set-up takes as long as the product of a small map, which lies
    in memory channel by channel.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H, W)."""
        if (
            is_compiling()  # First: the sizes may be symbols.
            or torch.jit.is_tracing()
            or x.device.type != "cpu"
            or x.numel() > _SMALL
            or not x.is_contiguous(memory_format=torch.channels_last)
        ):
            return super().forward(x)
        y = F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias)
        return y.permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Two 1x1 convolutions that turn averages into weights in (0, 1).

    Args:
        squeeze: The first.
        excites: The second, once for each map of weights.
    """

    def __init__(self, squeeze: nn.Module, excites: Sequence[nn.Module]) -> None:
        super().__init__()
        self.squeeze = squeeze
        self.excites = nn.ModuleList(excites)

    def forward(self, averages: Tensor) -> list[Tensor]:
        """Map averages (N, C, h, w) to maps of weights."""
        hidden = self.squeeze(averages)
        return [excite(hidden) for excite in self.excites]


class ChannelScale(nn.Module):
    """Each channel times a weight.

    Args:
        weight: Weights (1, C, 1, 1).
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        return x * self.weight


class OfVectors(nn.Sequential):
    """Layers of vectors, for maps of a single pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, 1, 1) to (N, C', 1, 1)."""
        y = super().forward(x.flatten(1))
        return y.view(-1, y.shape[1], 1, 1)


def _of_vectors(layer: nn.Module) -> nn.Module:
    """A 1x1 convolution as a layer of vectors; others as they are."""
    if not isinstance(layer, nn.Conv2d):
        return layer
    linear = nn.Linear(layer.in_channels, layer.out_channels).to(layer.weight)
    values = dict(weight=layer.weight.flatten(1), bias=layer.bias)
    linear.load_state_dict(values)
    return linear


@dataclass(frozen=True)  # torch 2.1's compiler knows its properties
class Form:
    """How a deployed network is laid out for a runtime, and what lays out its layers.

    A layer's own ``deploy(order, form)`` gives its inference form and the order of what
    comes out; the form makes the convolutions in it.

    Attributes:
        memory_layout: How maps lie in memory:

            - 'NHWC': channel after channel at each position (PyTorch).
            - 'blocked': in blocks of channels, which not every operator of the
              runtime takes (ONNX Runtime). None of the others is used: no split, no
              broadcast.
            - 'any': as the runtime likes, without loss.
        aligned_size: Widths of maps are padded to a multiple of this.
        splits: Whether blocks split, concatenate and shuffle channels as the trained
            ones do, or carry the half along that they leave alone.
        dynamic_batch: Whether a file of it takes any number of images.
        dynamic_size: Whether a file of it takes images of any size.
    """

    memory_layout: str = "any"
    aligned_size: int = 1
    splits: bool = False
    dynamic_batch: bool = False
    dynamic_size: bool = False

    @property
    def weighs_early(self) -> bool:
        """Whether the last spatial weight of branch 0 is known before its map.

        That is for a known size, and pays where weights are enlarged to it.
        """
        return not (self.broadcasts or self.splits or self.dynamic_size)

    @property
    def broadcasts(self) -> bool:
        """Whether weights are broadcast over a map, or enlarged to its size first."""
        return self.memory_layout != "blocked" or self.dynamic_size

    def natural(self, width: int) -> ChannelOrder:
        """The trained network's own order, padded as the form has it."""
        return ChannelOrder.natural(width, self.aligned_size)

    def deploy(self, layer: Any, order: ChannelOrder) -> tuple[nn.Module, ChannelOrder]:
        """Inference form of a layer, or of a chain of convolutions."""
        if hasattr(layer, "deploy"):
            return layer.deploy(order, self)
        return self.chain(layer, order)

    def fold(self, layers: Any) -> list[Folded]:
        """Read the convolutions of a chain, see :func:`.fold.fold`."""
        return fold(layers)

    def read_norm(self, norm: nn.Module) -> tuple[Tensor, Tensor]:
        """Scale and bias of a normalisation, see :func:`.fold.read_norm`."""
        return read_norm(norm)

    def chain(
        self,
        layers: Any,
        into: ChannelOrder,
        out: ChannelOrder | None = None,
        factor: float = 1.0,
    ) -> tuple[nn.Module, ChannelOrder]:
        """Lay out convolutions one after the other, with what follows each.

        Args:
            layers: The trained network's.
            into: Order of the input.
            out: Order of the output; default: natural. Without a convolution over all
                channels the output has the order of the input.
            factor: What the output is multiplied by; positive.

        Returns:
            The chain and the order of its output.
        """
        convs, order = fold(layers), into
        modules: list[nn.Module] = []
        dense = [k for k, conv in enumerate(convs) if not conv.depthwise]
        if factor != 1 and dense[-1:] != [len(convs) - 1]:
            raise ValueError(f"factor={factor} needs a chain that ends in a 1x1 layer")
        for k, conv in enumerate(convs):
            if conv.depthwise:
                modules += self.depthwise(conv, order)
                continue
            last = k == dense[-1]
            target = out if last and out is not None else self.natural(conv.width)
            modules += self.dense(conv, order, target, factor if last else 1.0)
            order = target
        return modules[0] if len(modules) == 1 else nn.Sequential(*modules), order

    def dense(
        self,
        conv: Folded,
        into: ChannelOrder,
        out: ChannelOrder,
        factor: float = 1.0,
        fill: float = 0.0,
    ) -> nn.Sequential:
        """Lay out a convolution over all channels.

        Args:
            conv: The trained network's.
            into: Order of its input.
            out: Order of its output.
            factor: What the output is multiplied by; positive.
            fill: Output, before the activation, at positions that hold no channel.
        """
        gain = factor * out.scale
        weight = out.select(into.select(conv.weight, dim=1))
        weight = weight * (gain[:, None] / into.scale)[..., None, None]
        bias = (out.select(conv.bias) * gain).masked_fill(out.missing, fill)
        return self._layers(conv, weight, bias)

    def depthwise(self, conv: Folded, order: ChannelOrder) -> nn.Sequential:
        """Lay out a convolution of each channel; other positions pass unchanged."""
        weight = order.select(conv.weight)
        middle = weight.shape[-1] // 2
        weight[order.missing, :, middle, middle] = 1
        return self._layers(conv, weight, order.select(conv.bias) * order.scale)

    def _layers(self, conv: Folded, weight: Tensor, bias: Tensor) -> nn.Sequential:
        out, width, side, _ = weight.shape
        groups = out if conv.depthwise else 1
        pointwise = side == 1 and conv.stride == (1, 1) and groups == 1
        fast = pointwise and self.memory_layout == "NHWC"
        layer = (PointwiseConv if fast else nn.Conv2d)(
            width * groups, out, side, conv.stride, side // 2, groups=groups
        )
        layer.weight = nn.Parameter(weight.contiguous())
        layer.bias = nn.Parameter(bias.contiguous())
        act = dict(inplace=True) if conv.act is nn.ReLU else {}
        return nn.Sequential(layer, *([conv.act(**act)] if conv.act else []))

    def scale_channels(self, weight: Tensor) -> nn.Module:
        """Make the layer that multiplies each channel by a weight (C,)."""
        if self.broadcasts:
            return ChannelScale(weight.view(1, -1, 1, 1))
        conv = Folded(
            weight.view(-1, 1, 1, 1), torch.zeros(len(weight)), depthwise=True
        )
        return self._layers(conv, conv.weight, conv.bias)

    def attention(
        self,
        chains: Sequence[Any],
        into: ChannelOrder,
        out: ChannelOrder,
        pixels: bool = False,
    ) -> nn.Module:
        """Lay out two 1x1 convolutions that turn averages into weights in (0, 1).

        Args:
            chains: The trained network's: one for all channels, or several that each
                have channels of their own.
            into: Order of the averages.
            out: Order of the weights; positions that hold none get a weight of 1.
            pixels: Whether the averages are maps of several pixels.

        Returns:
            Maps averages (N, C, 1, 1) or (N, C, h, w) to weights.
        """
        squeeze, excite = map(block_diagonal, zip(*map(fold, chains)))
        hidden = self.natural(squeeze.width)
        layers = [
            *self.dense(squeeze, into, hidden),
            *self.dense(excite, hidden, out.unscaled(), fill=_ALWAYS),
        ]
        if (
            self.splits and not pixels
        ):  # ONNX Runtime would bring them into its blocked layout.
            return OfVectors(*map(_of_vectors, layers))
        return nn.Sequential(*layers)

    def attentions(
        self, chains: Sequence[Any], averages: Sequence[ChannelOrder]
    ) -> Attention:
        """Lay out what turns averages of all branches into weights of all branches.

        Args:
            chains: Two 1x1 convolutions of all channels, or two of each branch's.
            averages: Orders of the branch maps, whose averages are concatenated.

        Returns:
            Maps the averages to the weights of each branch, where the form splits
            nothing, else to those of all in one map.
        """
        squeeze, excite = map(block_diagonal, zip(*map(fold, chains)))
        into = averages[0].followed_by(*averages[1:])
        hidden = self.natural(squeeze.width)
        sizes = [order.size for order in averages]
        parts = into.channel.split(
            sizes if self.memory_layout == "blocked" else into.size
        )
        excites = [
            self.dense(excite, hidden, ChannelOrder.of(part), fill=_ALWAYS)
            for part in parts
        ]
        return Attention(self.dense(squeeze, into, hidden), excites)

    def early_weight(
        self, conv: nn.Module, chain: Any, order: ChannelOrder
    ) -> EarlyWeight:
        """Make the spatial weight of a convolution's map, see :class:`.EarlyWeight`."""
        return EarlyWeight(conv, self.attentions([chain], [order]))

    def reorder(self, order: ChannelOrder) -> nn.Module:
        """Make the layer from a deployed map (N, padded, H, W) to the trained one's.

        It is a convolution with a matrix that picks channels, and not a selection of
        them: that one OpenVINO 2026.4.1 moves into the convolution of a head, the wrong
        way round.
        """
        if order.is_natural and (order.scale == 1).all():
            return nn.Identity()
        layer = nn.Conv2d(order.size, order.width, kernel_size=1, bias=False)
        weight = torch.zeros_like(layer.weight)
        gain = 1 / order.scale[order.positions].to(weight)
        weight[torch.arange(order.width), order.positions, 0, 0] = gain
        layer.weight = nn.Parameter(weight)
        return layer


#: Runtime -> form.
FORMS = {
    "pytorch": Form("NHWC"),
    "onnxruntime": Form("blocked", aligned_size=16),
    "openvino": Form(),
    "ncnn": Form(splits=True),
}
_SPLIT = Form(splits=True)
#: Runtime -> forms of networks with dynamic convolution or context modeling: for one
#: image, for several, and for a number or size that may vary. ONNX Runtime's blocked
#: layout has no computed kernels, and for several images carrying the other half along
#: costs more than setting it aside.
DYNAMIC_FORMS = {
    "pytorch": (FORMS["pytorch"], _SPLIT, FORMS["pytorch"]),
    "onnxruntime": (_SPLIT, _SPLIT, Form()),
    "openvino": (Form(aligned_size=16), _SPLIT, Form()),
    "ncnn": (Form(), Form(), Form()),
}


def find_form(target: str | Form, net: nn.Module, batch_size: int | None = 1) -> Form:
    """Return the form of a network for a runtime.

    Args:
        target: The runtime, or the form itself.
        net: The trained network.
        batch_size: Number of images, or None if their number or size may vary.

    Raises:
        TypeError: If the runtime is no string.
        ValueError: If there is no form for the runtime.
    """
    if isinstance(target, Form):
        return target
    if not isinstance(target, str):
        raise TypeError(f"target must be a string, got {target!r}")
    if target not in FORMS:
        raise ValueError(f"target must be one of {sorted(FORMS)}, got {target!r}")
    dynamic = (DynamicConv2d, GlobalContextModeling)
    if not any(isinstance(part, dynamic) for part in net.modules()):
        return FORMS[target]
    one, several, varying = DYNAMIC_FORMS[target]
    return varying if batch_size is None else several if batch_size > 1 else one
