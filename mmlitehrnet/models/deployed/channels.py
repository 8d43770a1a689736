"""Which channel of the trained network stands where in a deployed map.

Splitting, concatenating and shuffling channels only move them. A deployed network
leaves every channel where it is and keeps the books here, when it is made: each
map has a :class:`Layout`, a shuffle gives a new layout of the same tensor, and the
weights of the next convolution are put in the order of its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

#: A position that holds none of the channels that one looks for.
NONE = -1


class Layout(NamedTuple):
    """What a deployed map holds.

    Attributes:
        index: For each position along the channel axis, the channel of the trained
            network that stands there, or ``NONE``.
        scale: For each position, what the values there are multiplied by, compared
            with the trained network; powers of two.
    """

    index: Tensor
    scale: Tensor

    @property
    def width(self) -> int:
        """Number of the trained network's channels."""
        return int((self.index != NONE).sum())

    @property
    def in_order(self) -> bool:
        """Whether the map is that of the trained network as it is."""
        natural = torch.arange(len(self.index))
        return torch.equal(self.index, natural) and bool((self.scale == 1).all())

    @property
    def positions(self) -> Tensor:
        """Where to find the channels 0, 1, ... of the trained network."""
        order = self.index.argsort(stable=True)
        return order[len(self.index) - self.width :]


def plain(index: Tensor) -> Layout:
    """Layout of an index, with a scale of 1."""
    return Layout(index, torch.ones(len(index), dtype=torch.float64))


def natural_layout(channels: int, multiple: int = 1) -> Layout:
    """Layout of a map in its own order, padded to a multiple of channels."""
    padding = -channels % multiple
    return plain(torch.cat([torch.arange(channels), torch.full((padding,), NONE)]))


def second_half(layout: Layout) -> Layout:
    """The same map, seen as the second half of its channels; ``NONE`` elsewhere."""
    half = layout.width // 2
    index = torch.where(layout.index >= half, layout.index - half, NONE)
    return layout._replace(index=index)


def take(layout: Layout, positions: Tensor) -> Layout:
    """Layout of the map that has only some positions of another."""
    return Layout(layout.index[positions], layout.scale[positions])


def after_shuffle(layout: Layout, active: Layout) -> Layout:
    """Layout once the halves are concatenated and shuffled, channel by channel.

    Args:
        layout: The map before the split.
        active: The map, seen as the transformed second half.
    """
    index = torch.where(active.index != NONE, 2 * active.index + 1, 2 * layout.index)
    return layout._replace(index=torch.where(layout.index == NONE, NONE, index))


def select(values: Tensor, index: Tensor, dim: int = 0) -> Tensor:
    """Take entries along an axis; zeros where the index is ``NONE``."""
    taken = values.index_select(dim, index.clamp(min=0))
    shape = [1] * values.dim()
    shape[dim] = -1
    return taken.masked_fill((index == NONE).view(shape), 0.0)


def concatenate(layouts: Sequence[Layout], widths: Sequence[int]) -> Layout:
    """Layout of concatenated maps: the channels of each are counted on.

    Args:
        layouts: Layouts of the maps.
        widths: How many channels of the trained network to count for each.
    """
    indices, start = [], 0
    for layout, width in zip(layouts, widths):
        counted = layout.index + start
        indices.append(torch.where(layout.index == NONE, NONE, counted))
        start += width
    return Layout(torch.cat(indices), torch.cat([x.scale for x in layouts]))
