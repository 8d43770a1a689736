"""The same kind of layer on each branch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from ..deployed import ChannelOrder, Form


class PerBranch(nn.ModuleList):
    """One module for each branch, branch by branch."""

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Map the branch maps to the list of their results."""
        return [module(x) for module, x in zip(self, xs)]

    def deploy(
        self, orders: list[ChannelOrder], form: Form
    ) -> tuple[PerBranch, list[ChannelOrder]]:
        """Inference form, and the orders of what comes out."""
        pairs = [form.deploy(module, order) for module, order in zip(self, orders)]
        return PerBranch(module for module, _ in pairs), [order for _, order in pairs]
