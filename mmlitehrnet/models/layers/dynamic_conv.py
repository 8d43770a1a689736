"""Dynamic kernel aggregation and dynamic split convolution (Dite-HRNet, 3.2)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from mmcv.cnn import build_conv_layer
from torch import Tensor, nn

from .depthwise import depthwise_cfg, depthwise_conv2d
from .norm import BN, build_norm
from .shuffle import interleave
from .tracing import make_fx_leaf, size_of

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


class DynamicConv2d(nn.Module):
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
        make_fx_leaf(self)
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
        return y.view(num_samples, -1, *size_of(y))


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
