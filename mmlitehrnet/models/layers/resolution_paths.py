"""Convolutions that carry a map from one branch's resolution and width to another's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mmcv.cnn import build_conv_layer
from torch import Tensor, nn

from .depthwise import depthwise_cfg
from .norm import BN, build_norm

if TYPE_CHECKING:
    from ..deployed import ChannelOrder, Form

# (in_channels, out_channels, stride, relu, conv_cfg, norm_cfg) -> layers
ConvStep = Callable[..., list]


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    conv_cfg: dict | None = None,
    norm_cfg: dict = BN,
    **options: int,
) -> list[nn.Module]:
    """Convolution, padded by half of its kernel, and normalisation.

    Args:
        in_channels: Channels of the map that comes in.
        out_channels: Channels of the map that goes out.
        kernel_size: Side of the kernel.
        conv_cfg: Config of the convolution layer.
        norm_cfg: Config of the normalisation layer.
        **options: ``stride`` and ``groups`` of the convolution.
    """
    conv = build_conv_layer(
        conv_cfg,
        in_channels,
        out_channels,
        kernel_size,
        padding=kernel_size // 2,
        bias=False,
        **options,
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
    depthwise: dict[str, Any] = dict(
        conv_cfg=depthwise_cfg(conv_cfg), norm_cfg=norm_cfg
    )
    return [
        *conv_norm(
            in_channels, in_channels, 3, stride=stride, groups=in_channels, **depthwise
        ),
        *conv_norm(in_channels, out_channels, 1, conv_cfg, norm_cfg),
        *[nn.ReLU(inplace=True)] * relu,
    ]


def full_step(
    in_channels: int, out_channels: int, stride: int, relu: bool, **cfgs: Any
) -> list[nn.Module]:
    """Full 3x3 convolution (HRNet)."""
    layers = conv_norm(in_channels, out_channels, 3, stride=stride, **cfgs)
    return layers + [nn.ReLU(inplace=True)] * relu


def pointwise_path(in_channels: int, out_channels: int, **cfgs: Any) -> nn.Sequential:
    """1x1 convolution towards a higher resolution; upsampling is the fusion's."""
    return nn.Sequential(*conv_norm(in_channels, out_channels, 1, **cfgs))


def downsampling_path(
    step: ConvStep,
    in_channels: int,
    out_channels: int,
    num_steps: int,
    last_relu: bool,
    **cfgs: Any,
) -> nn.Sequential:
    """Stride-2 steps towards a lower resolution; the last one changes the width.

    Args:
        step: What one step is, :func:`separable_step` or :func:`full_step`.
        in_channels: Channels of the map that comes in.
        out_channels: Channels of the map that goes out.
        num_steps: Number of halvings.
        last_relu: Whether the last step ends in a ReLU; the others always do.
        **cfgs: ``conv_cfg`` and ``norm_cfg``, configs of the layers.
    """
    rows = [(in_channels, True)] * (num_steps - 1) + [(out_channels, last_relu)]
    steps = (step(in_channels, out, 2, relu, **cfgs) for out, relu in rows)
    return nn.Sequential(*(nn.Sequential(*layers) for layers in steps))


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
        **cfgs: Any,
    ) -> Transition:
        """Build the transition between branches of given widths.

        Args:
            step: What one step is, :func:`separable_step` or :func:`full_step`.
            in_channels: Widths of the branches that come in.
            out_channels: Widths of the branches that go out; at least as many.
            **cfgs: ``conv_cfg`` and ``norm_cfg``, configs of the layers.
        """
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
