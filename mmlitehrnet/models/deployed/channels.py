"""Which channel of the trained network stands where in a deployed map.

Splitting, concatenating and shuffling channels only move them. A deployed network
leaves every channel where it is and keeps the books here, when it is made: each
map has a :class:`ChannelOrder`, a shuffle gives a new order of the same tensor, and
the weights of the next convolution are put in the order of its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

#: A position that holds none of the channels that one looks for.
NONE = -1


class ChannelOrder(NamedTuple):
    """What a deployed map holds.

    Attributes:
        channel: For each position along the channel axis, the channel of the trained
            network that stands there, or ``NONE``.
        scale: For each position, what the values there are multiplied by, compared
            with the trained network; powers of two.
        planar: Whether the map lies in NCHW where the form is blocked.
    """

    channel: Tensor
    scale: Tensor
    planar: bool = False

    @property
    def size(self) -> int:
        """Number of positions."""
        return len(self.channel)

    @property
    def width(self) -> int:
        """Number of the trained network's channels."""
        return int((self.channel != NONE).sum())

    @property
    def is_natural(self) -> bool:
        """Whether the map is that of the trained network as it is."""
        natural = torch.arange(self.size)
        return torch.equal(self.channel, natural) and bool((self.scale == 1).all())

    @property
    def positions(self) -> Tensor:
        """Where to find the channels 0, 1, ... of the trained network."""
        return self.channel.argsort(stable=True)[self.size - self.width :]

    def holding(self, channel: Tensor) -> ChannelOrder:
        """The same map, its channels seen as others; ``NONE`` stays."""
        return self._replace(channel=torch.where(self.channel == NONE, NONE, channel))

    def take(self, positions: Tensor) -> ChannelOrder:
        """Order of the map that has only some positions of this one."""
        return ChannelOrder(self.channel[positions], self.scale[positions])


def unscaled(channel: Tensor) -> ChannelOrder:
    """Order of channels with a scale of 1."""
    return ChannelOrder(channel, torch.ones(len(channel), dtype=torch.float64))


def natural_order(width: int, aligned_size: int = 1) -> ChannelOrder:
    """The trained network's own order, padded to a multiple of channels."""
    padding = torch.full((-width % aligned_size,), NONE)
    return unscaled(torch.cat([torch.arange(width), padding]))


def second_half(order: ChannelOrder) -> ChannelOrder:
    """The same map, seen as the second half of its channels; ``NONE`` elsewhere."""
    half = order.width // 2
    channel = torch.where(order.channel >= half, order.channel - half, NONE)
    return order._replace(channel=channel)


def after_shuffle(order: ChannelOrder, half: ChannelOrder) -> ChannelOrder:
    """Order once the halves are concatenated and shuffled, channel by channel.

    Args:
        order: The map before the split.
        half: The map, seen as the transformed second half.
    """
    moved = torch.where(half.channel != NONE, 2 * half.channel + 1, 2 * order.channel)
    return order.holding(moved)


def select(values: Tensor, channel: Tensor, dim: int = 0) -> Tensor:
    """Take entries along an axis; zeros where the channel is ``NONE``."""
    taken = values.index_select(dim, channel.clamp(min=0))
    shape = [1] * values.dim()
    shape[dim] = -1
    return taken.masked_fill((channel == NONE).view(shape), 0.0)


def concatenate(orders: Sequence[ChannelOrder]) -> ChannelOrder:
    """Order of concatenated maps: the channels of each are counted on."""
    channels, start = [], 0
    for order in orders:
        channels.append(order.holding(order.channel + start).channel)
        start += order.width
    return ChannelOrder(torch.cat(channels), torch.cat([x.scale for x in orders]))
