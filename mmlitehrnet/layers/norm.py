"""Batch normalisation that accepts a single value per channel in training."""

from __future__ import annotations

import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn


class _SingleValue:
    """Normalise a single value per channel by the running statistics.

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
        if single and self.track_running_stats and not self._synchronised():
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias,
                training=False, eps=self.eps,
            )  # fmt: skip
        return super().forward(x)

    def _synchronised(self) -> bool:
        return False


class BatchNorm2d(_SingleValue, nn.BatchNorm2d):
    """``nn.BatchNorm2d`` that accepts a single value per channel in training."""


class SyncBatchNorm(_SingleValue, nn.SyncBatchNorm):
    """``nn.SyncBatchNorm`` that accepts a single value on a single process.

    With several processes it is PyTorch's: all of them must take part in the
    exchange of statistics, which then cover more than one value.
    """

    def _synchronised(self) -> bool:
        return dist.is_available() and dist.is_initialized()


_SINGLE_VALUE_TYPES = {
    "BN": BatchNorm2d,
    "BN2d": BatchNorm2d,
    "SyncBN": SyncBatchNorm,
}


def single_value_norm(norm_cfg: dict) -> dict:
    """Let a batch normalisation config build the layers of this file.

    Args:
        norm_cfg: Config of a normalisation layer, as ``dict(type='BN')``.

    Returns:
        The config with 'BN', 'BN2d' and 'SyncBN' replaced by their counterparts
        here; a config of any other layer as it is.

    Raises:
        TypeError: If ``norm_cfg`` is not a dict with a 'type'.
    """
    if not isinstance(norm_cfg, dict) or "type" not in norm_cfg:
        raise TypeError(
            f"norm_cfg must be a dict with a 'type', as dict(type='BN'), got "
            f"{norm_cfg!r}"
        )
    layer = norm_cfg["type"]
    known = _SINGLE_VALUE_TYPES.get(layer) if isinstance(layer, str) else None
    return dict(norm_cfg, type=known or layer)
