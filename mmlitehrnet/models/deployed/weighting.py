"""The inference form of conditional channel weighting."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .channels import Layout, concatenate, natural_layout, plain
from .convs import dense_conv
from .fold import Folded
from .forms import Form
from .resize import is_times, pool_to, repeat_to

# The sigmoid of this is exactly 1: channels that are not weighted stay as they are.
ALWAYS = 100.0


def block_diagonal(convs: Sequence[Folded]) -> Folded:
    """One convolution for several that each have channels of their own."""
    weight = torch.block_diag(*(c.weight.flatten(1) for c in convs))
    bias = torch.cat([c.bias for c in convs])
    return convs[0]._replace(weight=weight[..., None, None], bias=bias)


class Attention(nn.Module):
    """Two 1x1 convolutions that turn averages into weights in (0, 1).

    Args:
        squeeze: The first.
        excite: The second.
        into: Layout of the averages.
        outs: Layouts of the weights, one for each map of them. Positions that hold
            no weight get a weight of 1.
        form: Form of the network.
    """

    def __init__(
        self,
        squeeze: Folded,
        excite: Folded,
        into: Layout,
        outs: Sequence[Layout],
        form: Form,
    ) -> None:
        super().__init__()
        hidden = natural_layout(len(squeeze.weight), form.hidden_multiple)
        self.squeeze = dense_conv(squeeze, into, hidden)
        self.excite = nn.ModuleList(
            dense_conv(excite, hidden, out, fill=ALWAYS) for out in outs
        )
        self.plain = form.plain

    def forward(self, averages: Tensor) -> list[Tensor]:
        """Map averages (N, C, h, w) to maps of weights, as the given layouts."""
        if self.plain and averages.shape[2:] == (1, 1):
            hidden = self.squeeze.of_vectors(averages.flatten(1))
            weights = [conv.of_vectors(hidden) for conv in self.excite]
            return [w.view(*w.shape, 1, 1) for w in weights]
        hidden = self.squeeze(averages)
        return [conv(hidden) for conv in self.excite]


def weights_of(halves: Sequence[Layout], form: Form) -> tuple[Layout, list[Layout]]:
    """Layouts of the averages and of the weights of all branches.

    Args:
        halves: Layouts of the branch maps, seen as the halves that are weighted.
        form: Form of the network.

    Returns:
        The layout of the averages, concatenated, and that of the weights, as one
        map or one for each branch.
    """
    joint = concatenate(halves, [half.width for half in halves])
    sizes = [len(joint.index)] if form.joint else [len(h.index) for h in halves]
    return joint, [plain(index) for index in joint.index.split(sizes)]


def spread(x: Tensor, size: tuple[int, int], broadcast: bool) -> Tensor:
    """Make (N, C, 1, 1) fit for a product with maps of a size."""
    if broadcast:
        return x
    return F.interpolate(x, scale_factor=tuple(map(float, size)), mode="nearest")


def join(parts: Sequence[Tensor]) -> Tensor:
    """Concatenate maps along their channels."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=1)


def means(xs: Sequence[Tensor]) -> Tensor:
    """Averages over all positions, concatenated."""
    return join([F.adaptive_avg_pool2d(x, 1) for x in xs])


class WeightedBlock(nn.Module):
    """Cross-resolution weights, convolution, spatial weights, on all branches.

    Args:
        cross: Cross-resolution weights.
        convs: Convolution of each branch, of all channels.
        spatial: Spatial weights.
    """

    def __init__(
        self, cross: Attention, convs: Sequence[nn.Module], spatial: Attention
    ) -> None:
        super().__init__()
        self.cross = cross
        self.convs = nn.ModuleList(convs)
        self.spatial = spatial


class WeightedBlocks(nn.Module):
    """The weighting blocks of a module.

    The spatial weights of one block are multiplied into the cross-resolution
    weights of the next at the lowest resolution, so that a map is multiplied once
    for both, and averages over all positions are taken from the pooled maps.

    Args:
        blocks: Blocks of a module.
        widths: Widths of the branch maps.
        form: Form of the network.
    """

    def __init__(
        self, blocks: Sequence[WeightedBlock], widths: Sequence[int], form: Form
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.widths = list(widths)
        self.form = form

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        size = xs[-1].shape[2:]
        pooled, spatial = self._pool(xs, size), None
        for k, block in enumerate(self.blocks):
            weights = block.cross(pooled)
            if spatial is not None:
                weights = [w * s for w, s in zip(weights, spatial)]
            xs = [
                conv(x.mul_(w))
                for conv, x, w in zip(block.convs, xs, self._up(weights, xs))
            ]
            if k == len(self.blocks) - 1:
                spatial = block.spatial(means(xs))
            else:
                pooled = self._pool(xs, size)
                spatial = [
                    spread(s, size, self.form.broadcast)
                    for s in block.spatial(self._means(pooled, xs, size))
                ]
                pooled = pooled * join(spatial)
        return [
            x.mul_(spread(s, x.shape[2:], self.form.broadcast))
            for x, s in zip(xs, self._split(spatial))
        ]

    def _factor(self, i: int) -> int:
        return 2 ** (len(self.widths) - 1 - i)

    def _pool(self, xs: list[Tensor], size: tuple[int, int]) -> Tensor:
        return join(
            [
                pool_to(x, size, self._factor(i), self.form.fixed)
                for i, x in enumerate(xs)
            ]
        )

    def _means(self, pooled: Tensor, xs: list[Tensor], size: tuple[int, int]) -> Tensor:
        if not self.form.fixed:
            for i, x in enumerate(xs):  # torch.compile cannot do all(...).
                if not is_times(x, size, self._factor(i)):
                    return means(xs)
        return F.adaptive_avg_pool2d(pooled, 1)

    def _split(self, parts: list[Tensor]) -> Sequence[Tensor]:
        return parts[0].split(self.widths, dim=1) if self.form.joint else parts

    def _up(self, weights: list[Tensor], xs: list[Tensor]) -> list[Tensor]:
        return [
            repeat_to(w, x.shape[2:], self._factor(i), self.form.fixed)
            for i, (w, x) in enumerate(zip(self._split(weights), xs))
        ]
