"""Residual blocks, as in ResNet and HRNet; parameter names are MMPose's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from .norm import BN
from .resolution_paths import conv_norm

if TYPE_CHECKING:
    from ..deployed import ChannelOrder, Form


class ResidualBlock(nn.Module):
    """Convolutions with normalisation, and a shortcut around them.

    Args:
        in_channels: Width of the map that comes in.
        channels: Width of the inner convolutions; ``channels * expansion`` come
            out. The shortcut is a 1x1 convolution where the width changes.
        conv_cfg: Config of the convolution layers.
        norm_cfg: Config of the normalisation layers.
    """

    #: Width of the map that goes out, relative to ``channels``.
    expansion = 1
    #: (kernel size, output width relative to ``channels``) of each convolution.
    convs: tuple[tuple[int, int], ...] = ()

    def __init__(
        self,
        in_channels: int,
        channels: int,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
    ) -> None:
        super().__init__()

        width = in_channels
        for k, (kernel_size, multiple) in enumerate(self.convs, start=1):
            out = channels * multiple
            conv, norm = conv_norm(width, out, kernel_size, conv_cfg, norm_cfg)
            self.add_module(f"conv{k}", conv)
            self.add_module(f"bn{k}", norm)
            width = out
        self.downsample: nn.Module = nn.Identity()
        if in_channels != width:
            self.downsample = nn.Sequential(
                *conv_norm(in_channels, width, 1, conv_cfg, norm_cfg)
            )

    @property
    def last_norm(self) -> nn.Module:
        """Normalisation before the shortcut is added."""
        return getattr(self, f"bn{len(self.convs)}")

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, channels * expansion, H, W)."""
        y = x
        for k in range(1, len(self.convs) + 1):
            y = getattr(self, f"bn{k}")(getattr(self, f"conv{k}")(y))
            if k < len(self.convs):
                y = F.relu(y, inplace=True)
        return F.relu(y + self.downsample(x), inplace=True)

    def deploy(self, order: ChannelOrder, form: Form) -> tuple[nn.Module, ChannelOrder]:
        """Inference form, and the order of what comes out."""
        layers: list[nn.Module] = []
        for k in range(1, len(self.convs) + 1):
            layers += [getattr(self, f"conv{k}"), getattr(self, f"bn{k}"), nn.ReLU()]
        shortcut: nn.Module = nn.Identity()
        out = order
        if not isinstance(self.downsample, nn.Identity):
            shortcut, out = form.chain(self.downsample, order)
        path, out = form.chain(layers[:-1], order, out)
        return DeployedResidual(path, shortcut), out


class DeployedResidual(nn.Module):
    """A path and a shortcut around it."""

    def __init__(self, path: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.path = path
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H, W)."""
        return F.relu(self.path(x).add_(self.shortcut(x)), inplace=True)


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions."""

    convs = ((3, 1), (3, 1))


class Bottleneck(ResidualBlock):
    """1x1, 3x3 and 1x1 convolution; four times as many channels come out."""

    expansion = 4
    convs = ((1, 1), (3, 1), (1, 4))
