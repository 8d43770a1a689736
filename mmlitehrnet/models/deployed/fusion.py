"""The inference form of the exchange across resolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.fusion import Fusion, upsample_bilinear
from .channels import Layout
from .convs import chain
from .fold import folded_chain
from .forms import Form
from .resize import is_times, repeat_to


class FusedRow(nn.Module):
    """The sum at one branch.

    Args:
        branch: Index of the branch.
        upward: Convolutions of the lower branches, highest resolution first.
        downward: Chains of the higher branches, highest resolution first.
        nearest: Whether upsampling is nearest, or bilinear.
        fixed: Whether upsampling is by powers of two.
    """

    def __init__(
        self,
        branch: int,
        upward: Sequence[nn.Module],
        downward: Sequence[nn.Module],
        nearest: bool,
        fixed: bool,
    ) -> None:
        super().__init__()
        self.branch = branch
        self.upward = nn.ModuleList(upward)
        self.downward = nn.ModuleList(downward)
        self.nearest = nearest
        self.fixed = fixed

    def forward(self, first: Tensor, xs: list[Tensor]) -> Tensor:
        """Sum the branches, before the activation.

        Args:
            first: What this branch sees of branch 0.
            xs: Branch maps.
        """
        total = xs[self.branch]
        if len(self.upward):
            total = self._sum_of_lower(xs).add_(total)
        for j, path in enumerate(self.downward):
            total = path(first if j == 0 else xs[j]).add_(total)
        return total

    def _sum_of_lower(self, xs: list[Tensor]) -> Tensor:
        """Sum of the lower branches, upsampled.

        Where each size is twice the next, nearest upsampling by a factor is that
        factor's steps of two, and what comes from further down is added before the
        next step: only one map is upsampled to each resolution.
        """
        target = xs[self.branch]
        lower = xs[self.branch + 1 :]
        stepwise = True
        if not self.fixed:  # torch.compile cannot do all(...).
            for a, b in zip([target, *lower], lower):
                stepwise = stepwise and is_times(a, b.shape[2:], 2)
        if self.nearest and stepwise:
            total = None
            for x, conv in zip(reversed(lower), reversed(self.upward)):
                term = conv(x)
                total = term if total is None else term.add_(total)
                total = repeat_to(total, (0, 0), 2, fixed=True)
            return total
        total = None  # Nor sum(..., start), nor enumerate(..., start).
        for k, (x, conv) in enumerate(zip(lower, self.upward)):
            term = self._upsample(conv(x), target, 2 ** (k + 1))
            total = term if total is None else total + term
        return total

    def _upsample(self, x: Tensor, like: Tensor, factor: int) -> Tensor:
        if self.nearest:
            return repeat_to(x, like.shape[2:], factor, self.fixed)
        if self.fixed:
            return F.interpolate(
                x, scale_factor=float(factor), mode="bilinear", align_corners=False
            )
        return upsample_bilinear(x, like, factor)


class DeployedFusion(nn.Module):
    """Sum over all branches at each branch's resolution, each path once.

    Args:
        fusion: The trained network's.
        layouts: Layouts of the branch maps.
        form: Form of the network.
    """

    def __init__(self, fusion: Fusion, layouts: Sequence[Layout], form: Form) -> None:
        super().__init__()
        self.first_branch = fusion.first_branch
        self.outputs = fusion.outputs
        results = list(layouts)
        first = layouts[0]
        if fusion.first_branch.weight != 1:
            # 2 x_0 + ... is computed as x_0 + .../2, and its readers take it double.
            scale = first.scale / fusion.first_branch.weight
            results[0] = first._replace(scale=scale)
        if fusion.first_branch.seen != "input":
            first = results[0]
        nearest = fusion.upsample is not upsample_bilinear

        self.rows = nn.ModuleDict()
        for i, row in enumerate(fusion):
            if len(row) == 0:
                continue
            paths = []
            for j, path in enumerate(row):
                if j == i:
                    continue
                paths.append(
                    chain(
                        folded_chain(path),
                        first if j == 0 else layouts[j],
                        results[i],
                        form.multiple,
                        fusion.first_branch.weight if j == 0 else 1,
                    )[0]
                )
            self.rows[str(i)] = FusedRow(i, paths[i:], paths[:i], nearest, form.fixed)
        #: Layouts of the maps that come out.
        self.layouts = [results[i] for i in self.outputs]

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map all branch maps to those of ``outputs``, in that order."""
        first = xs[0]
        fused = {}
        for row in self.rows.values():
            total = row(first, xs)
            if row.branch == 0 and self.first_branch.seen == "sum":
                fused[0] = total.relu()
            else:
                fused[row.branch] = total.relu_()
            if row.branch == 0:
                first = self.first_branch.select(first, total, fused[0])
        return [fused[i] for i in self.outputs]


def deploy_fusion(
    fusion: Fusion, layouts: Sequence[Layout], form: Form
) -> tuple[DeployedFusion, list[Layout]]:
    """Inference form of a fusion, and the layouts of the maps that come out."""
    deployed = DeployedFusion(fusion, layouts, form)
    return deployed, deployed.layouts
