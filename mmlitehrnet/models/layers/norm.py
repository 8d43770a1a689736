"""Normalisation: of a single value per channel, and with errors that name norm_cfg."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.dist import get_world_size
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .tracing import FxLeaf, is_compiling

_in_this_thread = threading.local()


@contextmanager
def batches_counted_together() -> Iterator[None]:
    """Let the layers that normalise a batch count it at the end, all at once.

    Each would launch a kernel for it, a sixth of those of a forward pass. Where the
    passes are traced or compiled, the layers count themselves; so does PyTorch's
    SyncBatchNorm.
    """
    outer = getattr(_in_this_thread, "counters", None)
    counters: dict[int, Tensor] = {}  # by identity
    _in_this_thread.counters = counters
    try:
        yield
    finally:
        _in_this_thread.counters = outer
        if counters:
            torch._foreach_add_(list(counters.values()), 1)


def _counters() -> dict[int, Tensor] | None:
    return None if is_compiling() else getattr(_in_this_thread, "counters", None)


# MMEngine's initialisers know layers by the names of their own classes' bases.
class BatchNorm2d(FxLeaf, nn.BatchNorm2d, _BatchNorm):
    """``nn.BatchNorm2d`` that normalises a single value by the running statistics.

    A batch of one whose map is 1x1 (the pooled vectors of the weightings, or the
    lowest resolution of a 32x32 input) has no variance: PyTorch raises an error
    there, and an epoch whose last batch holds one sample dies at its end. This
    layer then does what it does in evaluation: it normalises by the running
    statistics and leaves them as they are. Every other batch is normalised by
    its own statistics, as always.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, H, W) channel by channel."""
        single = self.training and x.shape[0] * x.shape[2:].numel() == 1
        if single and self.track_running_stats:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias,
                training=False, eps=self.eps,
            )  # fmt: skip
        counters, batches = _counters(), self.num_batches_tracked
        if not self.training or counters is None or batches is None:
            return super().forward(x)
        # An average of all batches needs the number here; none may be there twice.
        if self.momentum is None or id(batches) in counters:
            return super().forward(x)
        counters[id(batches)] = batches
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias,
            training=True, momentum=self.momentum, eps=self.eps,
        )  # fmt: skip


class GroupNorm(nn.GroupNorm):
    """``nn.GroupNorm`` whose error names ``norm_cfg``.

    Raises:
        ValueError: If the width of the map is no multiple of ``num_groups``.
    """

    def __init__(self, num_channels: int, num_groups: int, **kwargs: Any) -> None:
        if num_channels % num_groups:
            raise ValueError(
                "norm_cfg['num_groups'] must divide the width of every layer of the "
                f"network, got {num_groups}, and there is one of {num_channels} "
                "channels"
            )
        super().__init__(num_groups, num_channels, **kwargs)


class InstanceNorm2d(FxLeaf, nn.InstanceNorm2d):
    """``nn.InstanceNorm2d`` whose error names ``norm_cfg``."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each channel of each sample of (N, C, H, W).

        Raises:
            ValueError: If it has a single position, as pooled vectors have.
        """
        own = self.training or not self.track_running_stats
        if own and x.shape[2:].numel() == 1:
            raise ValueError(
                "norm_cfg must not be instance normalisation ('IN') where maps are of "
                f"1x1, which it has no statistics of, got a map of {tuple(x.shape)}: "
                "pooled vectors of Dite-HRNet are such maps, and the lowest resolution "
                "of images of 32x32"
            )
        return super().forward(x)


#: Config of the normalisation that layers have by default.
BN = dict(type=BatchNorm2d)
#: Name in a config -> layer, where it is one of this file.
NORMS: dict[str, type[nn.Module]] = {
    "BN": BatchNorm2d,
    "BN2d": BatchNorm2d,
    "GN": GroupNorm,
    "IN": InstanceNorm2d,
    "IN2d": InstanceNorm2d,
}


def build_norm(norm_cfg: dict, channels: int) -> nn.Module:
    """Build a normalisation layer from its config."""
    return build_norm_layer(norm_cfg, channels)[1]


def replace_norm(norm_cfg: dict) -> dict:
    """Let the config of a normalisation layer build the one of this file.

    Args:
        norm_cfg: Config of a normalisation layer, as ``dict(type='BN')``.

    Returns:
        The config with the names in :data:`NORMS` replaced, and on one process 'SyncBN'
        by :class:`BatchNorm2d`, as MMEngine does it. In several processes, which must
        exist by then, 'SyncBN' stays PyTorch's layer: its statistics cover several
        values. A config of any other layer comes back as it is.
    """
    layer = norm_cfg["type"]
    name = "BN" if layer == "SyncBN" and get_world_size() == 1 else layer
    if isinstance(name, str) and name in NORMS:
        return dict(norm_cfg, type=NORMS[name])
    return norm_cfg
