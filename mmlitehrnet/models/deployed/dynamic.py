"""The inference form of dynamic and of split convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.dynamic_conv import (
    DynamicConv2d,
    DynamicConvNorm,
    DynamicSplitConv,
    kernels_as_rows,
)
from .channels import NONE, ChannelOrder, natural_order, select, unscaled
from .convs import chain, depthwise_conv
from .fold import Folded, folded_chain, norm_affine, read_conv
from .forms import Form
from .resize import expand, means, size_of
from .weighting import Attention, block_diagonal


class DynamicConv(nn.Module):
    """Convolution with a kernel for each sample, by linearity of convolution.

    ``(sum_n a_n W_n) * x = sum_n a_n (W_n * x)``: with all kernels convolved and
    the results weighted, neither the number of samples nor any shape depends on
    the data, and every convolution has a constant kernel. For a single sample it
    is cheaper to sum the kernels, where the runtime convolves with a computed
    kernel fast; in NCHW, for any fixed number of samples.

    Args:
        kernels: Kernels (K, out, in / groups, k, k).
        identity: What is added to the weighted kernels, to let channels pass
            unchanged: (out, in / groups, k, k).
        bias: Bias (out,).
        attention: Maps the averages (N, in, 1, 1) to one weight for each kernel
            and output channel, (N, out, 1, 1) for each kernel or concatenated.
        stride: Stride of both axes.
        groups: Channel groups.
        relu: Whether a ReLU follows.
        form: Form of the network.
    """

    kernels: Tensor
    identity: Tensor
    bias: Tensor

    def __init__(
        self,
        kernels: Tensor,
        identity: Tensor,
        bias: Tensor,
        attention: Attention,
        stride: int,
        groups: int,
        relu: bool,
        form: Form,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.stride = stride
        self.padding = kernels.shape[-1] // 2
        self.groups = groups
        self.relu = relu
        self.form = form
        values = dict(kernels=kernels, identity=identity, bias=bias)
        for name, value in values.items():
            parameter = nn.Parameter(value.contiguous(), requires_grad=False)
            self.register_parameter(name, parameter)

    def _apply(self, fn: Callable[[Tensor], Tensor], *args) -> nn.Module:
        return super()._apply(kernels_as_rows(fn), *args)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        attention = self.attention(means([x]))
        # TorchScript would keep the number of samples that it was traced with, and
        # take another one without complaint; a file's is fixed, or not aggregated.
        traced = torch.jit.is_tracing() and not torch.onnx.is_in_onnx_export()
        aggregates = self.form.aggregates and not traced
        if aggregates and (x.shape[0] == 1 or self.form.halves):
            y = self._with_summed_kernels(x, torch.cat(attention, dim=1))
        else:
            y = self._with_each_kernel(x, attention)
        return y.relu() if self.relu else y

    def _conv(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        return F.conv2d(x, kernel, bias, self.stride, self.padding, groups=self.groups)

    def _with_summed_kernels(self, x: Tensor, attention: Tensor) -> Tensor:
        # A file for a fixed number of images then refuses another one.
        samples = int(x.shape[0]) if torch.jit.is_tracing() else x.shape[0]
        weights = attention.view(samples, *self.kernels.shape[:2], 1, 1, 1)
        kernels = (weights * self.kernels).sum(1) + self.identity
        if samples == 1:
            return self._conv(x, kernels[0], self.bias)
        # Samples as groups of channels, each with kernels of its own.
        y = F.conv2d(
            x.reshape(1, -1, *x.shape[2:]),
            kernels.flatten(0, 1),
            self.bias.repeat(samples),
            self.stride,
            self.padding,
            groups=samples * self.groups,
        )
        return y.reshape(samples, -1, *y.shape[2:])

    def _with_each_kernel(self, x: Tensor, attention: Sequence[Tensor]) -> Tensor:
        if len(attention) == 1:
            attention = attention[0].chunk(len(self.kernels), dim=1)
        terms = []
        for kernel, weight in zip(self.kernels, attention):
            y = self._conv(x, kernel)
            terms.append(y * expand(weight, size_of(y), self.form))
        total = terms[0]
        for term in terms[1:]:  # torch.compile cannot do sum(..., start).
            total = total + term
        return self._conv(x, self.identity, self.bias) + total


def kernel_attention(
    convs: Sequence[DynamicConv2d],
    into: ChannelOrder,
    owner: Tensor,
    form: Form,
) -> Attention:
    """Attention of several dynamic convolutions, each of channels of its own.

    Args:
        convs: The convolutions.
        into: Order of all their inputs.
        owner: For each position of the output, which of them it comes from, or
            ``NONE``.
        form: Form of the network.
    """
    squeezes, excites = [], []
    for conv in convs:
        attention = conv.attention
        squeeze = read_conv(attention.conv1).then(norm_affine(attention.bn))
        squeezes.append(squeeze._replace(act="relu"))
        excites.append(read_conv(attention.conv2)._replace(act="sigmoid"))
    num_kernels = len(convs[0].aggregation.weight)
    rows = [
        torch.where(owner == NONE, NONE, owner * num_kernels + n)
        for n in range(num_kernels)
    ]
    outs = [unscaled(row) for row in (rows if form.blocked else [torch.cat(rows)])]
    return Attention(
        block_diagonal(squeezes), block_diagonal(excites), into, outs, form
    )


def _kernels(conv: DynamicConv2d, scale: Tensor) -> Tensor:
    """Kernels (K, out, in / groups, k, k) with the scale of a normalisation."""
    weight = conv.aggregation.weight.detach().cpu().double()
    return weight * scale.view(-1, 1, 1, 1)


def dynamic_conv(
    module: DynamicConvNorm, into: ChannelOrder, form: Form
) -> tuple[nn.Module, ChannelOrder]:
    """Inference form of a convolution by itself, dynamic or not.

    Args:
        module: The trained network's.
        into: Order of its input, natural.
        form: Form of the network.

    Returns:
        The convolution and the order of its output, natural.
    """
    conv = module.conv
    if not isinstance(conv, DynamicConv2d):
        layers = nn.Sequential(conv, module.bn, module.activate)
        return chain(folded_chain(layers), into, aligned_size=form.aligned_size)
    scale, bias = norm_affine(module.bn)
    kernels = _kernels(conv, scale)
    depthwise = conv.groups > 1
    out = natural_order(len(bias), form.aligned_size)
    kernels = select(kernels, out.channel, dim=1)
    if not depthwise:
        kernels = select(kernels, into.channel, dim=2)
    owner = torch.where(out.channel == NONE, NONE, 0)
    return DynamicConv(
        kernels,
        torch.zeros_like(kernels[0]),
        select(bias, out.channel),
        kernel_attention([conv], into, owner, form),
        conv.stride[0],
        out.size if depthwise else 1,
        isinstance(module.activate, nn.ReLU),
        form,
    ), out


def split_conv(
    module: DynamicSplitConv, half: ChannelOrder, form: Form
) -> tuple[nn.Module, ChannelOrder]:
    """Inference form of a dynamic split convolution: one depthwise convolution.

    Smaller kernels are padded to the largest. Positions that are not of the half
    pass unchanged.

    Args:
        module: The trained network's.
        half: Order of its input.
        form: Form of the network.

    Returns:
        The convolution and the order of its output.
    """
    parts: list[Any] = list(module.conv)
    affines = [norm_affine(part.bn) for part in parts]
    bias = torch.cat([affine.bias for affine in affines])
    width = len(bias) // len(parts)
    group, rest = half.channel // width, half.channel % width
    out = half.holding(rest * len(parts) + group)
    dynamic = isinstance(parts[0].conv, DynamicConv2d)
    if dynamic:
        groups = [_kernels(p.conv, a.scale) for p, a in zip(parts, affines)]
    else:
        groups = [
            read_conv(p.conv).then(a).weight[None] for p, a in zip(parts, affines)
        ]
    side = groups[-1].shape[-1]
    padded = [F.pad(k, [(side - k.shape[-1]) // 2] * 4) for k in groups]
    kernels = torch.cat(padded, dim=1)
    if not dynamic:
        return depthwise_conv(Folded(kernels[0], bias, depthwise=True), half), out
    kernels = select(kernels, half.channel, dim=1)
    identity = torch.zeros_like(kernels[0])
    identity[half.channel == NONE, :, side // 2, side // 2] = 1
    owner = half.holding(group).channel
    return DynamicConv(
        kernels,
        identity,
        select(bias, half.channel) * half.scale,
        kernel_attention([part.conv for part in parts], half, owner, form),
        1,
        half.size,
        False,
        form,
    ), out
