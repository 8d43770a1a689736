"""Convolutions between maps of given layouts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.depthwise import is_compiling
from .channels import NONE, Layout, natural_layout, select
from .fold import Folded

#: Maps of up to this many values are small (measured on two cores).
_SMALL = 2**17


def is_small_eager(x: Tensor) -> bool:
    """Whether a 1x1 convolution of this map is faster as a matrix product.

    On the CPU, a convolution's own set-up takes as long as the product of a small map,
    which lies in memory channel by channel.
    """
    return (
        not is_compiling()  # First: the sizes may be symbols.
        and not torch.jit.is_tracing()
        and x.device.type == "cpu"
        and x.numel() <= _SMALL
        and x.is_contiguous(memory_format=torch.channels_last)
    )


class Conv(nn.Conv2d):
    """Convolution with bias and activation.

    Args:
        weight: Kernel (out, in / groups, k, k).
        bias: Bias (out,).
        stride: Stride of both axes.
        groups: Channel groups.
        act: None, 'relu' or 'sigmoid'.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        stride: int = 1,
        groups: int = 1,
        act: str | None = None,
    ) -> None:
        out_channels, in_channels, side, _ = weight.shape
        super().__init__(
            in_channels * groups, out_channels, side, stride, side // 2, groups=groups
        )
        self.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
        self.bias = nn.Parameter(bias.contiguous(), requires_grad=False)
        self.act = act
        self.pointwise = side == 1 and stride == 1 and groups == 1

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        if self.pointwise and is_small_eager(x):
            weight = self.weight.flatten(1)
            x = F.linear(x.permute(0, 2, 3, 1), weight, self.bias).permute(0, 3, 1, 2)
        else:
            x = F.conv2d(
                x, self.weight, self.bias, self.stride, self.padding, groups=self.groups
            )
        return self._activate(x)

    def of_vectors(self, x: Tensor) -> Tensor:
        """Map (N, in) to (N, out): a 1x1 convolution of maps of one pixel."""
        return self._activate(F.linear(x, self.weight.flatten(1), self.bias))

    def _activate(self, x: Tensor) -> Tensor:
        if self.act == "relu":
            return x.relu_()
        return x.sigmoid_() if self.act == "sigmoid" else x


def dense_conv(
    conv: Folded, into: Layout, out: Layout, factor: float = 1.0, fill: float = 0.0
) -> Conv:
    """Convolution over all channels, from one layout to another.

    Args:
        conv: The trained network's convolution.
        into: Layout of its input.
        out: Layout of its output.
        factor: What the output is multiplied by; positive.
        fill: Output, before the activation, at positions that hold no channel.
    """
    gain = factor * out.scale
    weight = select(select(conv.weight, into.index, dim=1), out.index)
    weight = weight * (gain[:, None] / into.scale)[..., None, None]
    bias = (select(conv.bias, out.index) * gain).masked_fill(out.index == NONE, fill)
    return Conv(weight, bias, conv.stride, act=conv.act)


def depthwise_conv(conv: Folded, layout: Layout) -> Conv:
    """Convolution of each channel; positions of no channel pass unchanged.

    Args:
        conv: The trained network's convolution.
        layout: Layout of the map that comes in and goes out.
    """
    weight = select(conv.weight, layout.index)
    middle = weight.shape[-1] // 2
    weight[layout.index == NONE, :, middle, middle] = 1
    bias = select(conv.bias, layout.index) * layout.scale
    return Conv(weight, bias, conv.stride, groups=len(weight), act=conv.act)


def chain(
    convs: Sequence[Folded],
    into: Layout,
    out: Layout | None = None,
    multiple: int = 1,
    factor: float = 1.0,
) -> tuple[nn.Sequential, Layout]:
    """Convolutions one after the other.

    Args:
        convs: The trained network's convolutions.
        into: Layout of the input.
        out: Layout of the output; default: natural. Without a dense convolution,
            the output has the layout of the input.
        multiple: What the widths in between are padded to a multiple of.
        factor: What the output is multiplied by.

    Returns:
        The chain and the layout of its output.
    """
    dense = [k for k, conv in enumerate(convs) if not conv.depthwise]
    layers: list[nn.Module] = []
    layout = into
    for k, conv in enumerate(convs):
        if conv.depthwise:
            layers.append(depthwise_conv(conv, layout))
            continue
        target = natural_layout(len(conv.weight), multiple)
        last = k == dense[-1]
        if last and out is not None:
            target = out
        layers.append(dense_conv(conv, layout, target, factor if last else 1.0))
        layout = target
    if factor != 1 and (not dense or dense[-1] != len(convs) - 1):
        raise ValueError(
            f"factor={factor} needs a chain that ends in a 1x1 convolution"
        )
    return nn.Sequential(*layers), layout
