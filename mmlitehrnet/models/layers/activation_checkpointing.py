"""Activation checkpointing of the blocks of a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

from .tracing import is_compiling

if TYPE_CHECKING:
    from ..deployed.form import Form


@contextmanager
def _running_statistics_kept(block: nn.Module) -> Iterator[None]:
    """Use batch statistics inside ``block`` without updating the running ones."""
    norms = [
        m
        for m in block.modules()
        if isinstance(m, _NormBase) and m.training and m.track_running_stats
    ]
    kept = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm, (_, batches) in zip(norms, kept):
        # SyncBatchNorm insists on a counter.
        counter = None if batches is None else batches.clone()
        norm.momentum, norm.num_batches_tracked = 0.0, counter
    try:
        yield
    finally:
        for norm, (momentum, batches) in zip(norms, kept):
            norm.momentum, norm.num_batches_tracked = momentum, batches


def _contexts(block: nn.Module) -> tuple[Any, Any]:
    # The block runs twice a step; only the first run counts as a batch.
    return nullcontext(), _running_statistics_kept(block)


def run_checkpointed(block: nn.Module, x: Any, with_cp: bool) -> Any:
    """Run a block, keeping only its input for the backward pass if asked to.

    Args:
        block: Module to run.
        x: Its input: a map or a list of maps.
        with_cp: Whether to drop the block's activations and compute them again
            in the backward pass. Outputs, gradients and running statistics are
            those of a run without.

    Returns:
        What ``block(x)`` returns.
    """
    if not (with_cp and torch.is_grad_enabled()):
        return block(x)
    if is_compiling():  # A compiled backward pass repeats no update of statistics.
        return checkpoint(block, x, use_reentrant=False)
    return checkpoint(
        block, x, use_reentrant=False, context_fn=partial(_contexts, block)
    )


class Blocks(nn.Sequential):
    """Blocks one after the other, each one checkpointed if asked to.

    Args:
        *blocks: Modules that take and give a map or a list of maps.
        with_cp: Whether to checkpoint each block, see :func:`run_checkpointed`.
    """

    def __init__(self, *blocks: nn.Module, with_cp: bool = False) -> None:
        super().__init__(*blocks)
        self.with_cp = with_cp

    def forward(self, x: Any) -> Any:
        """Run all blocks on a map or a list of maps."""
        for block in self:
            x = run_checkpointed(block, x, self.with_cp)
        return x

    def deploy(self, orders: Any, form: Form) -> tuple[nn.Module, Any]:
        """Inference form, and the order or orders of what comes out."""
        blocks: list[Any] = list(self)
        if getattr(blocks[0], "deploys_together", False):
            return blocks[0].deploy_together(blocks, orders, form)
        modules = []
        for block in blocks:
            module, orders = block.deploy(orders, form)
            modules.append(module)
        return nn.Sequential(*modules), orders
