"""Convolutions between maps of given channel orders."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.tracing import is_compiling
from .channels import NONE, ChannelOrder, natural_order, select
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

    bias: Tensor

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
        #: Whether it is computed in one dimension, of all positions as a row.
        self.as_row = False

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        if self.as_row:
            rows = F.conv1d(x.flatten(2), self.weight.flatten(2), self.bias)
            return self._activate(rows).view_as(x)
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


class ChannelScale(Conv):
    """Weight and bias of each channel: a depthwise 1x1 convolution.

    Args:
        weight: Weights (C,).
        bias: Biases (C,); default: 0.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        bias = torch.zeros(len(weight)) if bias is None else bias
        super().__init__(weight.view(-1, 1, 1, 1), bias, groups=len(weight))

    def as_vectors(self) -> tuple[Tensor, Tensor]:
        """Weight and bias, to be broadcast: (1, C, 1, 1) each."""
        return self.weight.view(1, -1, 1, 1), self.bias.view(1, -1, 1, 1)


def dense_conv(
    conv: Folded,
    into: ChannelOrder,
    out: ChannelOrder,
    factor: float = 1.0,
    fill: float = 0.0,
) -> Conv:
    """Convolution over all channels.

    Args:
        conv: The trained network's convolution.
        into: Order of its input.
        out: Order of its output.
        factor: What the output is multiplied by; positive.
        fill: Output, before the activation, at positions that hold no channel.
    """
    gain = factor * out.scale
    weight = select(select(conv.weight, into.channel, dim=1), out.channel)
    weight = weight * (gain[:, None] / into.scale)[..., None, None]
    bias = select(conv.bias, out.channel) * gain
    bias = bias.masked_fill(out.channel == NONE, fill)
    return Conv(weight, bias, conv.stride, act=conv.act)


def depthwise_conv(conv: Folded, order: ChannelOrder) -> Conv:
    """Convolution of each channel; positions of no channel pass unchanged.

    Args:
        conv: The trained network's convolution.
        order: Order of the map that comes in and goes out.
    """
    weight = select(conv.weight, order.channel)
    middle = weight.shape[-1] // 2
    weight[order.channel == NONE, :, middle, middle] = 1
    bias = select(conv.bias, order.channel) * order.scale
    return Conv(weight, bias, conv.stride, groups=len(weight), act=conv.act)


def chain(
    convs: Sequence[Folded],
    into: ChannelOrder,
    out: ChannelOrder | None = None,
    aligned_size: int = 1,
    factor: float = 1.0,
) -> tuple[nn.Module, ChannelOrder]:
    """Convolutions one after the other.

    Args:
        convs: The trained network's convolutions.
        into: Order of the input.
        out: Order of the output; default: natural. Without a dense convolution,
            the output has the order of the input.
        aligned_size: What widths are padded to a multiple of, if not given by
            ``out``.
        factor: What the output is multiplied by.

    Returns:
        The chain and the order of its output.
    """
    dense = [k for k, conv in enumerate(convs) if not conv.depthwise]
    if factor != 1 and dense[-1:] != [len(convs) - 1]:
        raise ValueError(
            f"factor={factor} needs a chain that ends in a 1x1 convolution"
        )
    layers: list[nn.Module] = []
    order = into
    for k, conv in enumerate(convs):
        if conv.depthwise:
            layers.append(depthwise_conv(conv, order))
            continue
        last = k == dense[-1]
        target = natural_order(len(conv.weight), aligned_size)
        if last and out is not None:
            target = out
        layers.append(dense_conv(conv, order, target, factor if last else 1.0))
        order = target
    return nn.Sequential(*layers), order
