"""Dynamic kernel aggregation and dynamic split convolution (Dite-HRNet, 3.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from mmcv.cnn import build_conv_layer
from torch import Tensor, nn

from .depthwise import depthwise_cfg, depthwise_conv2d
from .norm import BN, build_norm
from .shuffle import ChannelShuffle, interleave
from .tracing import FxLeaf, view_size

if TYPE_CHECKING:
    from ..deployed import ChannelOrder, Form
    from ..deployed.fold import Folded

ATTENTION_REDUCTION = 4


class KernelAttention(nn.Module):
    """One weight for each kernel of a dynamic convolution, from the global average.

    Global average pooling, 1x1 convolution with normalisation and ReLU, 1x1
    convolution with bias, sigmoid (Dite-HRNet, Eq. 4; the released code has a
    sigmoid and no softmax).

    Args:
        channels: Width of the map.
        num_kernels: Number of kernels.
        norm_cfg: Config of the normalisation layer.
    """

    def __init__(self, channels: int, num_kernels: int, norm_cfg: dict = BN) -> None:
        super().__init__()
        reduced = max(channels // ATTENTION_REDUCTION, 1)
        self.conv1 = nn.Conv2d(channels, reduced, 1, bias=False)
        self.bn = build_norm(norm_cfg, reduced)
        self.conv2 = nn.Conv2d(reduced, num_kernels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to weights (N, ``num_kernels``) in (0, 1)."""
        pooled = F.adaptive_avg_pool2d(x, 1)
        logits = self.conv2(F.relu(self.bn(self.conv1(pooled))))
        return logits.sigmoid().flatten(1)


def kernels_as_rows(fn: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Let ``nn.Module._apply`` treat kernels of five dimensions as rows.

    ``Module.to(memory_format=...)`` fails on parameters of five dimensions; as rows,
    they stay as they are laid out.
    """

    def apply(t: Tensor) -> Tensor:
        return fn(t.flatten(1)).view(t.shape) if t.dim() == 5 else fn(t)

    return apply


class KernelAggregation(nn.Module):
    """The kernels of a dynamic convolution and their weighted sum.

    Args:
        num_kernels: Number of kernels.
        shape: Shape of one kernel (out, in / groups, k, k).
    """

    def __init__(self, num_kernels: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_kernels, *shape))
        for kernel in self.weight:
            nn.init.kaiming_uniform_(kernel, a=math.sqrt(5))  # As nn.Conv2d.

    def _apply(self, fn: Callable[[Tensor], Tensor], *args) -> nn.Module:
        return super()._apply(kernels_as_rows(fn), *args)

    def forward(self, attention: Tensor) -> Tensor:
        """Map weights (N, ``num_kernels``) to kernels (N, out, in / groups, k, k)."""
        return (attention @ self.weight.flatten(1)).view(-1, *self.weight.shape[1:])


class DynamicConv2d(FxLeaf, nn.Module):
    """Convolution whose kernel is aggregated anew for each sample (DKA).

    ``W(x) = sum_n a_n(x) W_n`` with the weights of :class:`KernelAttention`
    (Dite-HRNet, Eq. 3). All samples of a batch are convolved at once, each one as
    a group of channels of its own.

    Args:
        in_channels: Width of the map that comes in.
        out_channels: Width of the map that goes out.
        kernel_size: Side of the kernel; the padding is half of it.
        num_kernels: Number of kernels to aggregate.
        stride: Stride of the convolution.
        groups: Channel groups.
        norm_cfg: Config of the normalisation layer of the attention.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        num_kernels: int,
        stride: int = 1,
        groups: int = 1,
        norm_cfg: dict = BN,
    ) -> None:
        super().__init__()
        self.stride = (stride, stride)
        self.padding = (kernel_size // 2, kernel_size // 2)
        self.groups = groups
        self.attention = KernelAttention(in_channels, num_kernels, norm_cfg)
        self.aggregation = KernelAggregation(
            num_kernels, (out_channels, in_channels // groups, kernel_size, kernel_size)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        kernels = self.aggregation(self.attention(x))
        num_samples = x.shape[0]
        x, kernels = x.flatten(0, 1)[None], kernels.flatten(0, 1)
        groups = self.groups * num_samples
        if groups == len(kernels) == x.shape[1]:
            y = depthwise_conv2d(x, kernels, self.stride, self.padding)
        else:
            y = F.conv2d(x, kernels, None, self.stride, self.padding, 1, groups)
        return y.view(num_samples, -1, *view_size(y))


class DynamicConvNorm(nn.Module):
    """Convolution, dynamic if it has several kernels, normalisation, and maybe ReLU.

    Args:
        in_channels: Width of the map that comes in.
        out_channels: Width of the map that goes out.
        kernel_size: Side of the kernel; the padding is half of it.
        num_kernels: Number of kernels; 1 is an ordinary convolution.
        stride: Stride of the convolution.
        groups: Channel groups.
        relu: Whether a ReLU follows.
        conv_cfg: Config of the convolution layer, if it is not dynamic.
        norm_cfg: Config of the normalisation layers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        num_kernels: int,
        stride: int = 1,
        groups: int = 1,
        relu: bool = False,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
    ) -> None:
        super().__init__()
        if num_kernels > 1:
            self.conv: nn.Module = DynamicConv2d(
                in_channels,
                out_channels,
                kernel_size,
                num_kernels,
                stride=stride,
                groups=groups,
                norm_cfg=norm_cfg,
            )
        else:
            depthwise = groups == in_channels == out_channels
            self.conv = build_conv_layer(
                depthwise_cfg(conv_cfg) if depthwise else conv_cfg,
                in_channels,
                out_channels,
                kernel_size,
                stride=stride,
                padding=kernel_size // 2,
                groups=groups,
                bias=False,
            )
        self.bn = build_norm(norm_cfg, out_channels)
        self.activate = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        return self.activate(self.bn(self.conv(x)))

    def deploy(self, order: ChannelOrder, form: Form) -> tuple[nn.Module, ChannelOrder]:
        """Inference form, and the order of what comes out."""
        layers = [self.conv, self.bn, self.activate]
        if not isinstance(self.conv, DynamicConv2d):
            return form.chain(layers, order)
        (conv,) = form.fold(layers)
        out = form.natural(conv.width)
        kernels = out.select(conv.weight, dim=1)
        if not conv.depthwise:
            kernels = order.select(kernels, dim=2)
        owner = out.seen_as(torch.zeros_like(out.channel)).channel
        attention = kernel_attention([self.conv.attention], order, owner, form)
        bias = out.select(conv.bias)
        return DeployedDynamicConv(conv, kernels, bias, attention, form), out


class DynamicSplitConv(nn.Module):
    """Depthwise convolutions of growing kernels on groups of channels (DSC).

    The channels are split into ``num_groups`` groups; group g = 0, 1, ... has a
    kernel of side 2g + 3, aggregated from ``num_kernels``; the groups are
    concatenated and shuffled (Dite-HRNet, Eq. 1 and 2).

    Args:
        channels: Width of the map; a multiple of ``num_groups``.
        num_groups: Number of groups (G).
        num_kernels: Number of kernels of each group (N).
        conv_cfg: Config of the convolution layers that are not dynamic.
        norm_cfg: Config of the normalisation layers.
    """

    def __init__(
        self,
        channels: int,
        num_groups: int,
        num_kernels: int,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
    ) -> None:
        super().__init__()
        width = channels // num_groups
        self.conv = nn.ModuleList(
            DynamicConvNorm(
                width,
                width,
                2 * g + 3,
                num_kernels,
                groups=width,
                conv_cfg=conv_cfg,
                norm_cfg=norm_cfg,
            )
            for g in range(num_groups)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        if len(self.conv) == 1:
            return self.conv[0](x)
        groups = x.chunk(len(self.conv), dim=1)
        return interleave(*(conv(groups[k]) for k, conv in enumerate(self.conv)))

    def deploy(self, half: ChannelOrder, form: Form) -> tuple[nn.Module, ChannelOrder]:
        """Inference form, and the order of what comes out.

        One depthwise convolution: smaller kernels are padded to the largest.
        """
        parts: list[Any] = list(self.conv)
        convs = [form.fold([part.conv, part.bn])[0] for part in parts]
        count, side = len(convs), convs[-1].weight.shape[-1]
        weights = [
            F.pad(c.weight, [(side - c.weight.shape[-1]) // 2] * 4) for c in convs
        ]
        bias = torch.cat([conv.bias for conv in convs])
        group = half.channel.div(len(bias) // count, rounding_mode="floor")
        rest = half.channel % (len(bias) // count)
        out = half.seen_as(rest * count + group)
        if convs[0].weight.dim() == 4:
            conv = convs[0]._replace(weight=torch.cat(weights), bias=bias)
            layer: nn.Module = form.depthwise(conv, half)
        else:
            kernels = half.select(torch.cat(weights, dim=1), dim=1)
            # Other channels pass: the weights of all their kernels are 1.
            kernels[0, half.missing, :, side // 2, side // 2] = 1
            attention = kernel_attention(
                [part.conv.attention for part in parts],
                half,
                half.seen_as(group).channel,
                form,
            )
            bias = half.select(bias) * half.scale
            layer = DeployedDynamicConv(convs[0], kernels, bias, attention, form)
        if count > 1 and half.is_natural:  # Nobody looks where its channels are.
            return nn.Sequential(layer, ChannelShuffle(count)), half
        return layer, out


def kernel_attention(
    parts: Sequence[KernelAttention], into: ChannelOrder, owner: Tensor, form: Form
) -> nn.Module:
    """Inference form of the attentions of convolutions of channels of their own.

    Args:
        parts: The attentions.
        into: Order of all their inputs.
        owner: For each position of the output, which of them it comes from, or -1.
        form: Form of the network.

    Returns:
        What maps averages (N, in, 1, 1) to one weight for each kernel and position,
        (N, K * out, 1, 1).
    """
    layers = [[p.conv1, p.bn, nn.ReLU(), p.conv2, nn.Sigmoid()] for p in parts]
    count = parts[0].conv2.out_channels
    rows = [torch.where(owner < 0, owner, owner * count + k) for k in range(count)]
    return form.attention(layers, into, into.of(torch.cat(rows)))


class DeployedDynamicConv(FxLeaf, nn.Module):
    """The inference form of dynamic convolution.

    ``(sum_n a_n W_n) * x = sum_n a_n (W_n * x)``: with all kernels convolved and the
    results weighted, neither the number of samples nor any shape depends on the data,
    and every convolution has a constant kernel. For a single sample, and where the form
    is for several, it is cheaper to sum the kernels.

    Args:
        conv: The trained network's, for its geometry.
        kernels: Kernels (K, out, in / groups, k, k).
        bias: Bias (out,).
        attention: Maps the averages (N, in, 1, 1) to one weight for each kernel and
            output channel, (N, K * out, 1, 1).
        form: Form of the network.
    """

    def __init__(
        self,
        conv: Folded,
        kernels: Tensor,
        bias: Tensor,
        attention: nn.Module,
        form: Form,
    ) -> None:
        super().__init__()
        self.kernels = nn.Parameter(kernels.contiguous())
        self.bias = nn.Parameter(bias)
        self.attention = attention
        self.activate = nn.Identity() if conv.act is None else conv.act(inplace=True)
        self.stride, self.padding = conv.stride, kernels.shape[-1] // 2
        self.groups = len(bias) if conv.depthwise else 1
        self.form = form

    def _apply(self, fn: Callable[[Tensor], Tensor], *args) -> nn.Module:
        return super()._apply(kernels_as_rows(fn), *args)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        weights = self.attention(F.adaptive_avg_pool2d(x, 1))
        # TorchScript would keep the number of samples that it was traced with, and
        # take another one without complaint; a file's is fixed, or not aggregated.
        traced = torch.jit.is_tracing() and not torch.onnx.is_in_onnx_export()
        fixed = not (traced or self.form.dynamic_batch)
        if fixed and (self.form.splits or x.shape[0] == 1):
            return self.activate(self._with_summed_kernels(x, weights))
        return self.activate(self._with_each_kernel(x, weights))

    def _with_summed_kernels(self, x: Tensor, weights: Tensor) -> Tensor:
        # A file for a fixed number of images then refuses another one.
        samples = int(x.shape[0]) if torch.jit.is_tracing() else x.shape[0]
        weights = weights.view(samples, *self.kernels.shape[:2], 1, 1, 1)
        kernels = (weights * self.kernels).sum(1)
        if samples == 1:
            return self._conv(x, kernels[0], self.bias)
        # Samples as groups of channels, each with kernels of its own.
        x, bias = x.reshape(1, -1, *x.shape[2:]), self.bias.repeat(samples)
        y = self._conv(x, kernels.flatten(0, 1), bias, samples * self.groups)
        return y.reshape(samples, -1, *y.shape[2:])

    def _with_each_kernel(self, x: Tensor, weights: Tensor) -> Tensor:
        total = self.bias.view(-1, 1, 1)
        for kernel, weight in zip(self.kernels, weights.chunk(len(self.kernels), 1)):
            total = total + self._conv(x, kernel) * weight
        return total

    def _conv(
        self, x: Tensor, kernel: Tensor, bias: Tensor | None = None, groups: int = 0
    ) -> Tensor:
        groups = groups or self.groups
        return F.conv2d(x, kernel, bias, self.stride, self.padding, groups=groups)
