"""Convolutions that carry a map from one branch's resolution and width to another's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mmcv.cnn import build_conv_layer
from torch import Tensor, nn

from .depthwise import depthwise_cfg
from .norm import BN, build_norm

if TYPE_CHECKING:
    from ..deployed.form import Form
    from ..deployed.orders import ChannelOrder

# (in_channels, out_channels, stride, relu, conv_cfg, norm_cfg) -> layers
ConvStep = Callable[..., list]


def _conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    conv_cfg: dict | None = None,
    norm_cfg: dict = BN,
    **kwargs,
) -> list[nn.Module]:
    conv = build_conv_layer(
        conv_cfg,
        in_channels,
        out_channels,
        kernel_size,
        padding=kernel_size // 2,
        bias=False,
        **kwargs,
    )
    return [conv, build_norm(norm_cfg, out_channels)]


def separable_step(
    in_channels: int,
    out_channels: int,
    stride: int,
    relu: bool,
    conv_cfg: dict | None = None,
    norm_cfg: dict = BN,
) -> list[nn.Module]:
    """Depthwise 3x3 and 1x1 convolution (Lite-HRNet and Dite-HRNet)."""
    layers = _conv_norm(
        in_channels,
        in_channels,
        3,
        depthwise_cfg(conv_cfg),
        norm_cfg,
        stride=stride,
        groups=in_channels,
    )
    layers += _conv_norm(in_channels, out_channels, 1, conv_cfg, norm_cfg)
    return layers + [nn.ReLU(inplace=True)] * relu


def full_step(
    in_channels: int,
    out_channels: int,
    stride: int,
    relu: bool,
    conv_cfg: dict | None = None,
    norm_cfg: dict = BN,
) -> list[nn.Module]:
    """Full 3x3 convolution (HRNet)."""
    layers = _conv_norm(in_channels, out_channels, 3, conv_cfg, norm_cfg, stride=stride)
    return layers + [nn.ReLU(inplace=True)] * relu


def pointwise_path(
    in_channels: int,
    out_channels: int,
    conv_cfg: dict | None = None,
    norm_cfg: dict = BN,
) -> nn.Sequential:
    """1x1 convolution towards a higher resolution; upsampling is the fusion's."""
    return nn.Sequential(*_conv_norm(in_channels, out_channels, 1, conv_cfg, norm_cfg))


def downsampling_path(
    step: ConvStep,
    in_channels: int,
    out_channels: int,
    num_steps: int,
    last_relu: bool,
    conv_cfg: dict | None = None,
    norm_cfg: dict = BN,
) -> nn.Sequential:
    """Stride-2 steps towards a lower resolution; the last one changes the width.

    Args:
        step: What one step is, :func:`separable_step` or :func:`full_step`.
        in_channels: Channels of the map that comes in.
        out_channels: Channels of the map that goes out.
        num_steps: Number of halvings.
        last_relu: Whether the last step ends in a ReLU; the others always do.
        conv_cfg: Config of the convolution layers.
        norm_cfg: Config of the normalisation layers.
    """
    steps = []
    for k in range(num_steps):
        last = k == num_steps - 1
        steps.append(
            nn.Sequential(
                *step(
                    in_channels,
                    out_channels if last else in_channels,
                    stride=2,
                    relu=last_relu or not last,
                    conv_cfg=conv_cfg,
                    norm_cfg=norm_cfg,
                )
            )
        )
    return nn.Sequential(*steps)


class Transition(nn.ModuleList):
    """Give a stage its branches (HRNet, section 3.1).

    A branch that keeps its width is passed on, one that changes it goes through
    one stride-1 step, and a new branch comes from the lowest resolution so far
    by stride-2 steps.

    Args:
        layers: What each branch that goes out is made by.
    """

    @classmethod
    def build(
        cls,
        step: ConvStep,
        in_channels: Sequence[int],
        out_channels: Sequence[int],
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
    ) -> Transition:
        """Build the transition between branches of given widths.

        Args:
            step: What one step is, :func:`separable_step` or :func:`full_step`.
            in_channels: Widths of the branches that come in.
            out_channels: Widths of the branches that go out; at least as many.
            conv_cfg: Config of the convolution layers.
            norm_cfg: Config of the normalisation layers.
        """
        cfgs: dict[str, Any] = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        lowest = len(in_channels) - 1
        layers: list[nn.Module] = []
        for i, width in enumerate(out_channels):
            layer: nn.Module = nn.Identity()
            if i > lowest:
                layer = downsampling_path(
                    step, in_channels[-1], width, i - lowest, last_relu=True, **cfgs
                )
            elif width != in_channels[i]:
                layer = nn.Sequential(
                    *step(in_channels[i], width, stride=1, relu=True, **cfgs)
                )
            layers.append(layer)
        return cls(layers)

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Map the branch maps of one stage to those that the next one starts with."""
        lowest = len(xs) - 1
        return [layer(xs[min(i, lowest)]) for i, layer in enumerate(self)]

    def deploy(
        self, orders: list[ChannelOrder], form: Form
    ) -> tuple[Transition, list[ChannelOrder]]:
        """Inference form, and the orders of what comes out."""
        layers, results = [], []
        for i, layer in enumerate(self):
            order = orders[min(i, len(orders) - 1)]
            if not isinstance(layer, nn.Identity):
                layer, order = form.chain(layer, order)
            layers.append(layer)
            results.append(order)
        return Transition(layers), results
