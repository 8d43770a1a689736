"""Channel split and shuffle, and the blocks that are made of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from .depthwise import depthwise_conv
from .norm import BN
from .tracing import view_size

if TYPE_CHECKING:
    from ..deployed import ChannelOrder, Form


def channel_shuffle(x: Tensor, groups: int = 2) -> Tensor:
    """Reorder channels so that every group contributes in turn.

    Args:
        x: A map of shape (N, C, H, W), C a multiple of ``groups``.
        groups: Number of channel groups.

    Returns:
        A map of the same shape: channel ``k * groups + g`` is channel ``k`` of
        group ``g``.
    """
    if torch.jit.is_tracing():  # PyTorch exports `unflatten` from opset 13 on only.
        channels, size = int(x.shape[1]), view_size(x)
        x = x.reshape(-1, groups, channels // groups, *size).transpose(1, 2)
        return x.reshape(-1, channels, *size)
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class ChannelShuffle(nn.Module):
    """:func:`channel_shuffle` as a layer."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        return channel_shuffle(x, self.groups)


def interleave(*maps: Tensor) -> Tensor:
    """Concatenate maps of equal shape and shuffle, each one a group.

    Args:
        *maps: G maps of shape (N, C, H, W).

    Returns:
        A map of shape (N, G * C, H, W): channel ``k * G + g`` is channel ``k`` of
        map ``g``.
    """
    if torch.jit.is_tracing():  # OpenVINO knows the shuffle, and is slow otherwise.
        return channel_shuffle(torch.cat(maps, dim=1), len(maps))
    return interleave_in_one_copy(*maps)


def interleave_in_one_copy(*maps: Tensor) -> Tensor:
    """:func:`interleave`, in files of it too, which ONNX Runtime computes faster."""
    return torch.stack(maps, dim=2).flatten(1, 2)


class ChannelSplitBlock(nn.Module):
    """Split, transform one half on all branches together, concatenate, shuffle.

    A block has its parts as attributes, in the order in which they run, and
    :meth:`transform` says what they do with the second halves.
    """

    interleave = staticmethod(interleave)

    def transform(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Map the second halves (N, C_i / 2, H_i, W_i) to maps of the same shapes."""
        raise NotImplementedError

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        halves = [x.chunk(2, dim=1) for x in xs]
        changed = self.transform([half[1] for half in halves])
        return [self.interleave(half[0], y) for half, y in zip(halves, changed)]

    def deploy(
        self, orders: list[ChannelOrder], form: Form
    ) -> tuple[nn.Module, list[ChannelOrder]]:
        """Inference form, and the orders of what comes out.

        Where nothing is split, the parts get the whole maps, and let the channels pass
        that are not of the second half.
        """
        splits = form.splits and all(order.is_natural for order in orders)
        results = [
            order.split_off_half() if splits else order.second_half()
            for order in orders
        ]
        children: list[tuple[str, Any]] = list(self.named_children())
        parts = {}
        for name, part in children:
            if any(True for _ in part.parameters()):  # Not what an ablation lacks.
                parts[name], results = part.deploy(results, form)
        if not splits:
            orders = [order.shuffled(half) for order, half in zip(orders, results)]
            return nn.Sequential(*parts.values()), orders
        block = copy.deepcopy(self)
        block.interleave = interleave_in_one_copy
        for name, part in parts.items():
            setattr(block, name, part)
        return block, orders


class ShuffleUnit(nn.Module):
    """Stride-1 shuffle unit of ShuffleNetV2, the block of Naive Lite-HRNet.

    One half of the channels passes unchanged, the other goes through 1x1, 3x3
    depthwise, 1x1 (Lite-HRNet, section 3.1, Fig. 1 a). The paper's wider naive
    ablations drop one or both 1x1 convolutions.

    Args:
        channels: Channels in and out; even.
        pointwise: Which of the two 1x1 convolutions are there and end in a ReLU:
            'relu', 'linear' or None, for the one before and the one after the
            depthwise convolution.
        conv_cfg: Config of the convolution layers, see ``mmcv.cnn``.
        norm_cfg: Config of the normalisation layers.
    """

    def __init__(
        self,
        channels: int,
        pointwise: tuple[str | None, str | None] = ("relu", "relu"),
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
    ) -> None:
        super().__init__()
        half = channels // 2
        acts: dict[str, dict | None] = {"relu": dict(type="ReLU"), "linear": None}
        cfgs: dict[str, Any] = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)

        def pointwise_conv(kind: str | None) -> list[nn.Module]:
            if kind is None:
                return []
            return [ConvModule(half, half, 1, act_cfg=acts[kind], **cfgs)]

        depthwise = depthwise_conv(half, **cfgs)
        before, after = map(pointwise_conv, pointwise)
        # The name `branch2` is that of existing checkpoints.
        self.branch2: nn.Module = nn.Sequential(*before, depthwise, *after)
        self.is_depthwise = pointwise == (None, None)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        x1, x2 = x.chunk(2, dim=1)
        return interleave(x1, self.branch2(x2))

    def deploy(self, order: ChannelOrder, form: Form) -> tuple[nn.Module, ChannelOrder]:
        """Inference form, and the order of what comes out."""
        if form.splits and order.is_natural:
            unit = copy.deepcopy(self)
            half = order.split_off_half()
            unit.branch2 = form.chain(self.branch2, half, half)[0]
            return unit, order
        half = order.second_half()
        path, _ = form.chain(self.branch2, half, half)
        result = order.shuffled(half)
        if self.is_depthwise:  # It lets other channels pass.
            return path, result
        return CarryingUnit(path, form.scale_channels(half.missing.double())), result


class CarryingUnit(nn.Module):
    """A shuffle unit that leaves every channel where it is.

    Args:
        path: Maps all channels to the transformed half where it stands, and to zeros.
        kept: Maps all channels to the other half where it stands, and to zeros.
    """

    def __init__(self, path: nn.Module, kept: nn.Module) -> None:
        super().__init__()
        self.path = path
        self.kept = kept

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        return self.path(x).add_(self.kept(x))
