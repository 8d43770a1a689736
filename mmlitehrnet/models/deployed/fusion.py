"""The inference form of the exchange across resolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.fusion import FirstBranch, Fusion, upsample_bilinear
from .channels import ChannelOrder
from .convs import ChannelScale, chain
from .fold import folded_chain
from .forms import Form
from .resize import by_rows, has_factor, size_of, upsample_to

# Each size is twice the next: upsampling to the next one, whatever its size.
_STEP = Form(even_sizes=True)


class FusedRow(nn.Module):
    """The sum at one branch.

    Args:
        branch: Index of the branch.
        upward: Convolutions of the lower branches, highest resolution first.
        downward: Chains of the higher branches, highest resolution first.
        nearest: Whether upsampling is nearest, or bilinear.
        form: Form of the network.
        own: What this branch's own map goes through.
    """

    upward: Any  # nn.ModuleList, as the next.
    downward: Any

    def __init__(
        self,
        branch: int,
        upward: Sequence[nn.Module],
        downward: Sequence[nn.Module],
        nearest: bool,
        form: Form,
        own: nn.Module,
    ) -> None:
        super().__init__()
        self.branch = branch
        self.own = own
        self.upward = nn.ModuleList(upward)
        self.downward = nn.ModuleList(downward)
        self.nearest = nearest
        self.form = form

    def forward(self, first: Tensor, xs: list[Tensor]) -> Tensor:
        """Sum the branches, before the activation.

        Args:
            first: What this branch sees of branch 0.
            xs: Branch maps.
        """
        total = self.own(xs[self.branch])
        if len(self.upward):
            total = self._add_lower(total, xs)
        for j, path in enumerate(self.downward):
            total = path(first if j == 0 else xs[j]).add_(total)
        return total

    def _add_lower(self, target: Tensor, xs: list[Tensor]) -> Tensor:
        """Sum of this branch and the lower ones, upsampled.

        Where each size is twice the next, nearest upsampling by a factor is that
        factor's steps of two, and what comes from further down is added before the
        next step: only one map is upsampled to each resolution.
        """
        lower = xs[self.branch + 1 :]
        pairs = list(zip(self.upward, lower))
        if self.nearest and self._has_steps_of_two([target, *lower]):
            total = pairs[-1][0](lower[-1])
            for conv, x in pairs[-2::-1]:
                total = self._add_upsampled(conv(x), total)
            return self._add_upsampled(target, total)
        total = self._upsample(pairs[0][0](lower[0]), target, 2)
        for k, (conv, x) in enumerate(pairs[1:]):  # Nor enumerate(..., start).
            total = total + self._upsample(conv(x), target, 2 ** (k + 2))
        return total.add_(target)

    def _add_upsampled(self, x: Tensor, lower: Tensor) -> Tensor:
        if self.form.rows:
            return by_rows(torch.add, x, lower, 2)
        return upsample_to(lower, (0, 0), 2, _STEP).add_(x)

    def _has_steps_of_two(self, xs: list[Tensor]) -> bool:
        if self.form.even_sizes:
            return True
        for a, b in zip(xs, xs[1:]):  # torch.compile cannot do all(...).
            if not has_factor(a, size_of(b), 2):
                return False
        return True

    def _upsample(self, x: Tensor, like: Tensor, factor: int) -> Tensor:
        if self.nearest:
            return upsample_to(x, size_of(like), factor, self.form)
        if self.form.even_sizes:
            return F.interpolate(
                x, scale_factor=float(factor), mode="bilinear", align_corners=False
            )
        return upsample_bilinear(x, like, factor)


class DeployedFusion(nn.Module):
    """Sum over all branches at each branch's resolution, each path once.

    Args:
        rows: The sums that are computed, highest resolution first.
        outputs: Branches that are given out.
        first_branch: How branch 0 is treated; its weight is part of ``rows``.
    """

    rows: Any  # nn.ModuleList of FusedRow.

    def __init__(
        self, rows: Sequence[FusedRow], outputs: Sequence[int], first: FirstBranch
    ) -> None:
        super().__init__()
        self.rows = nn.ModuleList(rows)
        self.outputs = tuple(outputs)
        self.first_branch = first

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map all branch maps to those of ``outputs``, in that order."""
        first = xs[0]
        fused = {}
        for row in self.rows:
            total = row(first, xs)
            kept = row.branch == 0 and self.first_branch.seen == "sum"
            fused[row.branch] = total.relu() if kept else total.relu_()
            if row.branch == 0:
                first = self.first_branch.select(first, total, fused[0])
        return [fused[i] for i in self.outputs]


def deploy_fusion(
    fusion: Fusion, orders: list[ChannelOrder], form: Form
) -> tuple[DeployedFusion, list[ChannelOrder]]:
    """Inference form of a fusion, and the orders of the maps that come out."""
    weight = fusion.first_branch.weight
    first, *others = (order._replace(planar=False) for order in orders)
    # 2 x_0 + ... is computed as x_0 + .../2, and its readers take it double.
    results = [first._replace(scale=first.scale / weight), *others]
    seen = orders[0] if fusion.first_branch.seen == "input" else results[0]
    nearest = fusion.upsampling == "nearest"

    def deploy_row(i: int, paths: Any) -> FusedRow:
        deployed = [
            chain(
                folded_chain(path),
                seen if j == 0 else orders[j],
                results[i],
                form.aligned_size,
                weight if j == 0 else 1,
            )[0]
            for j, path in enumerate(paths)
            if j != i
        ]
        own: nn.Module = nn.Identity()
        if orders[i].planar:
            # A convolution takes it into the blocked layout, and then adds to its
            # result for less than an addition takes.
            own = ChannelScale(torch.ones(orders[i].size, dtype=torch.float64))
        return FusedRow(i, deployed[i:], deployed[:i], nearest, form, own)

    rows = [deploy_row(i, paths) for i, paths in enumerate(fusion.rows()) if len(paths)]
    deployed = DeployedFusion(rows, fusion.outputs, fusion.first_branch)
    return deployed, [results[i] for i in fusion.outputs]
