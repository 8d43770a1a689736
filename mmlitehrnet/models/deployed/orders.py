"""Which channel of the trained network stands where in a deployed map.

Splitting, concatenating and shuffling channels only move them. A deployed network
leaves every channel where it is. The books are kept here while it is made: each map
has a :class:`ChannelOrder`, a shuffle gives a new order of the same tensor, and the
weights of the next convolution are put in the order of its input.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

#: A position that holds none of the channels in question: padding, or a channel that
#: a block leaves alone.
NONE = -1


class ChannelOrder(NamedTuple):
    """What a deployed map holds.

    Attributes:
        channel: For each position along the channel axis, the channel of the trained
            network that stands there, or ``NONE``.
        scale: For each position, what the trained network's values are multiplied by;
            powers of two.
    """

    channel: Tensor
    scale: Tensor

    @classmethod
    def of(cls, channel: Tensor) -> ChannelOrder:
        """Order of channels with a scale of 1."""
        return cls(channel, torch.ones(len(channel), dtype=torch.float64))

    @classmethod
    def natural(cls, width: int, aligned_size: int = 1) -> ChannelOrder:
        """The trained network's own order, padded to a multiple of channels."""
        padding = torch.full((-width % aligned_size,), NONE)
        return cls.of(torch.cat([torch.arange(width), padding]))

    @property
    def size(self) -> int:
        """Number of positions."""
        return len(self.channel)

    @property
    def width(self) -> int:
        """Number of the trained network's channels."""
        return int((~self.missing).sum())

    @property
    def missing(self) -> Tensor:
        """For each position whether it holds ``NONE``."""
        return self.channel == NONE

    @property
    def is_natural(self) -> bool:
        """Whether channels stand where the trained network has them."""
        return torch.equal(self.channel, torch.arange(self.size))

    @property
    def positions(self) -> Tensor:
        """Where to find the channels 0, 1, ... of the trained network."""
        return self.channel.argsort(stable=True)[self.size - self.width :]

    def seen_as(self, channel: Tensor) -> ChannelOrder:
        """The same map with other numbers for its channels; ``NONE`` stays."""
        return self._replace(channel=torch.where(self.missing, NONE, channel))

    def unscaled(self) -> ChannelOrder:
        """The same channels with a scale of 1."""
        return self.of(self.channel)

    def second_half(self) -> ChannelOrder:
        """The same map, of which only the second half of the channels is in question.

        They are counted from 0.
        """
        half = self.width // 2
        channel = torch.where(self.channel >= half, self.channel - half, NONE)
        return self._replace(channel=channel)

    def split_off_half(self) -> ChannelOrder:
        """The second half of the channels of a natural order as a map of its own."""
        half = self.size // 2
        return ChannelOrder(self.channel[:half], self.scale[half:])

    def shuffled(self, half: ChannelOrder) -> ChannelOrder:
        """Order after both halves of the channels are interleaved.

        Args:
            half: The map after its second half was transformed, as
                :meth:`second_half` gives it.
        """
        moved = torch.where(half.missing, 2 * self.channel, 2 * half.channel + 1)
        return self.seen_as(moved)

    def followed_by(self, *others: ChannelOrder) -> ChannelOrder:
        """Order of concatenated maps: the channels of each are counted on."""
        channels, start = [self.channel], self.width
        for order in others:
            channels.append(order.seen_as(order.channel + start).channel)
            start += order.width
        scales = [self.scale, *(order.scale for order in others)]
        return ChannelOrder(torch.cat(channels), torch.cat(scales))

    def select(self, values: Tensor, dim: int = 0, fill: float = 0.0) -> Tensor:
        """What belongs at each position.

        Args:
            values: Values of all channels along an axis.
            dim: That axis.
            fill: What stands at positions of ``NONE``.
        """
        taken = values.index_select(dim, self.channel.clamp(min=0))
        shape = [1] * values.dim()
        shape[dim] = -1
        return taken.masked_fill(self.missing.view(shape), fill)
