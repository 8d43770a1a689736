"""The same kind of layer on each branch."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class PerBranch(nn.ModuleList):
    """One module for each branch, branch by branch."""

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Map the branch maps to the list of their results."""
        return [module(x) for module, x in zip(self, xs)]
