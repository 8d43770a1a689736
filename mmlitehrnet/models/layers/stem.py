"""The stems of Lite-HRNet and Dite-HRNet: a strided convolution, a strided block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from .context_modeling import GlobalContextModeling
from .depthwise import depthwise_conv
from .dynamic_conv import DynamicConvNorm
from .norm import BN
from .shuffle import channel_shuffle, interleave

if TYPE_CHECKING:
    from ..deployed import ChannelOrder, Form


class Concatenation(nn.Module):
    """Paths from the same map, and their results one after the other.

    Args:
        *paths: The paths.
    """

    def __init__(self, *paths: nn.Module) -> None:
        super().__init__()
        self.paths = nn.ModuleList(paths)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the results along the channel axis."""
        return torch.cat([path(x) for path in self.paths], dim=1)


def deploy_halves(
    conv1: nn.Module, branches: list[list[Any]], order: ChannelOrder, form: Form
) -> tuple[nn.Module, ChannelOrder]:
    """Deploy a convolution, split, two branches and shuffle.

    Each half of the convolution is computed by itself, which splits nothing.

    Args:
        conv1: The convolution.
        branches: The layers of each branch.
        order: Order of the image.
        form: Form of the network.
    """
    paths, orders = [], []
    width = form.fold(conv1)[-1].width // 2
    for k, branch in enumerate(branches):
        half = form.natural(width)
        path, _ = form.chain(conv1, order, half.seen_as(half.channel + k * width))
        layers = [path]
        for layer in branch:
            path, half = form.deploy(layer, half)
            layers.append(path)
        paths.append(nn.Sequential(*layers))
        orders.append(half)
    both = orders[0].followed_by(orders[1])
    width = both.width // 2
    shuffled = both.seen_as(both.channel % width * 2 + both.channel // width)
    return Concatenation(*paths), shuffled


class LiteStem(nn.Module):
    """Image to the first map, at 1/4 of its size (Lite-HRNet, Table 1).

    A 3x3 convolution of stride 2, then a shuffle block of stride 2: one half of
    the channels goes through 3x3 depthwise and 1x1 convolution, the other through
    1x1, 3x3 depthwise, 1x1; concatenation and shuffle. Intel's Lite-HRNet-S and -X
    have other strides (OpenVINO Training Extensions, whose names the options have).

    Args:
        in_channels: Number of image channels.
        stem_channels: Width after the first convolution; even.
        out_channels: Width of the map that goes out: ``stem_channels``, or more.
        expand_ratio: Width of the second half's depthwise convolution, relative to
            ``stem_channels``.
        strides: Strides of the convolution and of the block.
        extra_stride: Whether a second 3x3 convolution, of stride 2, follows the first.
        conv_cfg: Config of the convolution layers.
        norm_cfg: Config of the normalisation layers.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 32,
        out_channels: int = 32,
        expand_ratio: float = 1,
        strides: Sequence[int] = (2, 2),
        extra_stride: bool = False,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
    ) -> None:
        super().__init__()
        cfgs: dict[str, Any] = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        half = stem_channels // 2
        mid = int(round(stem_channels * expand_ratio))
        second = half if out_channels == stem_channels else stem_channels
        first = out_channels - second
        self.conv1 = ConvModule(
            in_channels, stem_channels, 3, stride=strides[0], padding=1, **cfgs
        )
        self.extra_stride = extra_stride
        if extra_stride:
            self.conv2 = ConvModule(
                stem_channels, stem_channels, 3, stride=2, padding=1, **cfgs
            )
        self.branch1 = nn.Sequential(
            depthwise_conv(half, strides[1], **cfgs), ConvModule(half, first, 1, **cfgs)
        )
        self.expand_conv = ConvModule(half, mid, 1, **cfgs)
        self.depthwise_conv = depthwise_conv(mid, strides[1], **cfgs)
        self.linear_conv = ConvModule(mid, second, 1, **cfgs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / 4, W / 4).

        With other strides, 4 is their product.
        """
        x = self.conv1(x)
        if self.extra_stride:
            x = self.conv2(x)
        x1, x2 = x.chunk(2, dim=1)
        x1 = self.branch1(x1)
        x2 = self.linear_conv(self.depthwise_conv(self.expand_conv(x2)))
        return channel_shuffle(torch.cat((x1, x2), dim=1))

    def deploy(self, order: ChannelOrder, form: Form) -> tuple[nn.Module, ChannelOrder]:
        """Inference form, and the order of what comes out."""
        second = [self.expand_conv, self.depthwise_conv, self.linear_conv]
        branches = [list(self.branch1), second]
        if not self.extra_stride:
            return deploy_halves(self.conv1, branches, order, form)
        first, order = form.chain(self.conv1, order)
        rest, order = deploy_halves(self.conv2, branches, order, form)
        return nn.Sequential(first, rest), order


class DGCStem(nn.Module):
    """Image to the first map, at 1/4 of its size (Dite-HRNet, Fig. 2 b).

    A 3x3 convolution of stride 2, then a DGC block of stride 2 with dynamic
    convolutions: one half of the channels goes through 3x3 depthwise, global
    context modeling, 1x1; the other through 3x3 depthwise, global context
    modeling, 1x1 to a quarter, 1x1 back, 3x3 depthwise; concatenation and shuffle.

    Args:
        in_channels: Number of image channels.
        stem_channels: Width after the first convolution and of the map that goes
            out; a multiple of 8.
        out_channels: The same.
        num_kernels: Kernels of each dynamic convolution.
        conv_cfg: Config of the convolution layers that are not dynamic.
        norm_cfg: Config of the normalisation layers.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 32,
        out_channels: int = 32,
        num_kernels: int = 4,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
    ) -> None:
        super().__init__()
        cfgs: dict[str, Any] = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        half = stem_channels // 2

        def depthwise(stride: int, relu: bool = False) -> DynamicConvNorm:
            return DynamicConvNorm(
                half, half, 3, num_kernels, stride, groups=half, relu=relu, **cfgs
            )

        def pointwise(channels: int, out: int, relu: bool = True) -> DynamicConvNorm:
            return DynamicConvNorm(channels, out, 1, num_kernels, relu=relu, **cfgs)

        def context() -> GlobalContextModeling:
            return GlobalContextModeling(half, 4, **cfgs)

        self.conv1 = ConvModule(
            in_channels, stem_channels, 3, stride=2, padding=1, **cfgs
        )
        self.branch1 = nn.Sequential(depthwise(2), context(), pointwise(half, half))
        self.branch2 = nn.Sequential(
            depthwise(1),
            context(),
            pointwise(half, half // 4),
            pointwise(half // 4, half, relu=False),
            depthwise(2, relu=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / 4, W / 4)."""
        x1, x2 = self.conv1(x).chunk(2, dim=1)
        return interleave(self.branch1(x1), self.branch2(x2))

    def deploy(self, order: ChannelOrder, form: Form) -> tuple[nn.Module, ChannelOrder]:
        """Inference form, and the order of what comes out."""
        branches = [list(self.branch1), list(self.branch2)]
        return deploy_halves(self.conv1, branches, order, form)
