"""The inference form of dynamic and of split convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.dynamic_conv import (
    DynamicConv2d,
    DynamicConvNorm,
    DynamicSplitConv,
    kernels_as_rows,
)
from .channels import NONE, Layout, natural_layout, plain, select
from .convs import chain, depthwise_conv
from .fold import Folded, folded_chain, norm_affine, read_conv
from .forms import Form
from .weighting import Attention, block_diagonal, means, spread


class DynamicConv(nn.Module):
    """Convolution with a kernel for each sample, by linearity of convolution.

    ``(sum_n a_n W_n) * x = sum_n a_n (W_n * x)``: with all kernels convolved and
    the results weighted, neither the number of samples nor any shape depends on
    the data, and every convolution has a constant kernel. For a single sample it
    is cheaper to sum the kernels, where the runtime convolves with a computed
    kernel fast; in the plain layout, for any fixed number of samples.

    Args:
        kernels: Kernels (K, out, in / groups, k, k).
        still: What is added to the weighted kernels: (out, in / groups, k, k).
        bias: Bias (out,).
        attention: Maps the averages (N, in, 1, 1) to one weight for each kernel
            and output channel, (N, out, 1, 1) for each kernel or concatenated.
        stride: Stride of both axes.
        groups: Channel groups.
        relu: Whether a ReLU follows.
        form: Form of the network.
    """

    def __init__(
        self,
        kernels: Tensor,
        still: Tensor,
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
        for name, value in dict(kernels=kernels, still=still, bias=bias).items():
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
        aggregate = self.form.aggregate and not traced
        if aggregate and (x.shape[0] == 1 or self.form.plain):
            y = self._with_summed_kernels(x, torch.cat(attention, dim=1))
        else:
            y = self._with_each_kernel(x, attention)
        return y.relu() if self.relu else y

    def _conv(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        return F.conv2d(x, kernel, bias, self.stride, self.padding, groups=self.groups)

    def _with_summed_kernels(self, x: Tensor, attention: Tensor) -> Tensor:
        samples = x.shape[0]
        weights = attention.view(samples, *self.kernels.shape[:2], 1, 1, 1)
        kernels = (weights * self.kernels).sum(1) + self.still
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

    def _with_each_kernel(self, x: Tensor, attention: list[Tensor]) -> Tensor:
        if len(attention) == 1:
            attention = attention[0].chunk(len(self.kernels), dim=1)
        total = None
        for kernel, weight in zip(self.kernels, attention):
            y = self._conv(x, kernel)
            y = y * spread(weight, y.shape[2:], self.form.broadcast)
            total = y if total is None else total + y
        return self._conv(x, self.still, self.bias) + total


def kernel_attention(
    convs: Sequence[DynamicConv2d],
    into: Layout,
    owner: Tensor,
    form: Form,
) -> Attention:
    """Join the attentions of dynamic convolutions, each of channels of its own.

    Args:
        convs: The convolutions.
        into: Layout of all their inputs.
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
    outs = [
        plain(torch.where(owner == NONE, NONE, owner * num_kernels + n))
        for n in range(num_kernels)
    ]
    if form.joint:
        outs = [plain(torch.cat([out.index for out in outs]))]
    return Attention(
        block_diagonal(squeezes), block_diagonal(excites), into, outs, form
    )


def _kernels(conv: DynamicConv2d, scale: Tensor) -> Tensor:
    """Kernels (K, out, in / groups, k, k) with the scale of a normalisation."""
    weight = conv.aggregation.weight.detach().cpu().double()
    return weight * scale.view(-1, 1, 1, 1)


def dynamic_conv(module: DynamicConvNorm, into: Layout, form: Form) -> nn.Module:
    """Inference form of a dynamic or plain convolution by itself.

    Args:
        module: The trained network's.
        into: Layout of its input, in order.
        form: Form of the network.

    Returns:
        A convolution whose output is in order, padded.
    """
    relu = isinstance(module.activate, nn.ReLU)
    if not isinstance(module.conv, DynamicConv2d):
        return chain(
            folded_chain(nn.Sequential(module.conv, module.bn, module.activate)),
            into,
            multiple=form.multiple,
        )[0]
    scale, bias = norm_affine(module.bn)
    kernels = _kernels(module.conv, scale)
    depthwise = module.conv.groups > 1
    out = natural_layout(len(bias), form.multiple)
    kernels = select(kernels, out.index, dim=1)
    if not depthwise:
        kernels = select(kernels, into.index, dim=2)
    owner = torch.where(out.index == NONE, NONE, 0)
    return DynamicConv(
        kernels,
        torch.zeros_like(kernels[0]),
        select(bias, out.index),
        kernel_attention([module.conv], into, owner, form),
        module.conv.stride,
        len(out.index) if depthwise else 1,
        relu,
        form,
    )


def split_conv(
    module: DynamicSplitConv, half: Layout, form: Form
) -> tuple[nn.Module, Layout]:
    """Inference form of a dynamic split convolution: one depthwise convolution.

    Smaller kernels are padded to the largest. Positions that are not of the half
    pass unchanged.

    Args:
        module: The trained network's.
        half: Layout of its input.
        form: Form of the network.

    Returns:
        The convolution and the layout of its output.
    """
    parts = list(module.conv)
    affines = [norm_affine(part.bn) for part in parts]
    bias = torch.cat([affine.bias for affine in affines])
    width = len(bias) // len(parts)
    owner = torch.where(half.index == NONE, NONE, half.index // width)
    shuffled = (half.index % width) * len(parts) + half.index // width
    out = half._replace(index=torch.where(half.index == NONE, NONE, shuffled))
    dynamic = isinstance(parts[0].conv, DynamicConv2d)
    if dynamic:
        kernels = [_kernels(p.conv, a.scale) for p, a in zip(parts, affines)]
    else:
        kernels = [
            read_conv(p.conv).then(a).weight[None] for p, a in zip(parts, affines)
        ]
    side = kernels[-1].shape[-1]
    padded = [F.pad(k, [(side - k.shape[-1]) // 2] * 4) for k in kernels]
    kernels = torch.cat(padded, dim=1)
    if not dynamic:
        conv = Folded(kernels[0], bias, depthwise=True)
        return depthwise_conv(conv, half), out
    kernels = select(kernels, half.index, dim=1)
    still = torch.zeros_like(kernels[0])
    still[half.index == NONE, :, side // 2, side // 2] = 1
    return DynamicConv(
        kernels,
        still,
        select(bias, half.index) * half.scale,
        kernel_attention([part.conv for part in parts], half, owner, form),
        1,
        len(still),
        False,
        form,
    ), out
