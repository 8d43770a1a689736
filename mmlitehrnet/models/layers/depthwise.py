"""Depthwise convolution with a backward pass that is fast on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from .norm import BN
from .per_branch import PerBranch
from .tracing import FxLeaf, is_compiling


def autocasts_on_cpu() -> bool:
    """Whether the CPU's mixed precision is on."""
    if hasattr(torch, "get_autocast_dtype"):  # torch 2.4 and later
        return torch.is_autocast_enabled("cpu")
    return torch.is_autocast_cpu_enabled()


class _DepthwiseConv(torch.autograd.Function):
    """Depthwise convolution whose input gradient is a convolution again.

    PyTorch's CPU library computes the gradient with respect to the input 5 to 20
    times slower than a convolution of the same size. That gradient is one: the
    output's gradient, with stride - 1 zeros between its positions, convolved with
    the flipped kernel.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, stride: tuple, padding: tuple
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, None, stride, padding, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        channels = weight.shape[0]
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            spread = _spread(grad, x.shape, weight.shape, ctx.stride, ctx.padding)
            padding = [k - 1 - p for k, p in zip(weight.shape[2:], ctx.padding)]
            flipped = weight.flip(2, 3)
            grad_x = F.conv2d(spread, flipped, None, 1, padding, 1, channels)
        if ctx.needs_input_grad[1]:
            grad_weight = torch.ops.aten.convolution_backward(
                grad, x, weight, None, ctx.stride, ctx.padding, (1, 1), False, (0, 0),
                channels, (False, True, False),
            )[1]  # fmt: skip
        return grad_x, grad_weight, None, None


def _spread(
    grad: Tensor, shape: torch.Size, kernel: torch.Size, stride: tuple, padding: tuple
) -> Tensor:
    """Put zeros between the positions of a strided convolution's gradient."""
    if stride == (1, 1):
        return grad
    sides = [side + 2 * p - k + 1 for side, p, k in zip(shape[2:], padding, kernel[2:])]
    spread = grad.new_zeros(*grad.shape[:2], *sides)
    spread[:, :, :: stride[0], :: stride[1]] = grad
    return spread


def depthwise_conv2d(
    x: Tensor, weight: Tensor, stride: tuple[int, ...], padding: tuple[int, ...]
) -> Tensor:
    """Convolve each channel with a kernel of its own.

    Args:
        x: Map of shape (N, C, H, W).
        weight: Kernels of shape (C, 1, k, k).
        stride: Stride in both directions.
        padding: Zeros around the map in both directions, at most k - 1.

    Returns:
        Map of shape (N, C, H / stride, W / stride). Values and gradients are those
        of ``torch.nn.functional.conv2d``.
    """
    fast = (
        x.device.type == "cpu"
        and torch.is_grad_enabled()
        and (x.requires_grad or weight.requires_grad)
        and x.dtype == weight.dtype
        and not is_compiling()
        and not autocasts_on_cpu()
        and not torch.jit.is_tracing()
    )
    if fast:
        return _DepthwiseConv.apply(x, weight, stride, padding)
    return F.conv2d(x, weight, None, stride, padding, 1, weight.shape[0])


class DepthwiseConv2d(FxLeaf, nn.Conv2d):
    """``nn.Conv2d`` with one group for each channel, see :func:`depthwise_conv2d`.

    With a bias, which fused batch normalisation leaves, with dilation or with another
    padding than zeros it is ``nn.Conv2d`` itself.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H / stride, W / stride)."""
        zeros = self.padding_mode == "zeros"
        if self.bias is not None or self.dilation != (1, 1) or not zeros:
            return super().forward(x)
        if isinstance(self.padding, str):
            return super().forward(x)
        return depthwise_conv2d(x, self.weight, self.stride, self.padding)


def depthwise_cfg(conv_cfg: dict | None) -> dict:
    """Config of a depthwise layer: of this file, unless another layer is asked for.

    Args:
        conv_cfg: Config of the convolution layers of a network.
    """
    conv_cfg = conv_cfg or {}
    if conv_cfg.get("type", "Conv2d") in ("Conv2d", "Conv", nn.Conv2d):
        return dict(conv_cfg, type=DepthwiseConv2d)
    return conv_cfg


def depthwise_conv(
    channels: int, stride: int = 1, conv_cfg: dict | None = None, norm_cfg: dict = BN
) -> ConvModule:
    """3x3 depthwise convolution and normalisation."""
    return ConvModule(
        channels,
        channels,
        3,
        stride=stride,
        padding=1,
        groups=channels,
        conv_cfg=depthwise_cfg(conv_cfg),
        norm_cfg=norm_cfg,
        act_cfg=None,
    )


def depthwise_convs(channels: Sequence[int], **cfgs: Any) -> PerBranch:
    """:func:`depthwise_conv` of each branch."""
    return PerBranch(depthwise_conv(c, **cfgs) for c in channels)
