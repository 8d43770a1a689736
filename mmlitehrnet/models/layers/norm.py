"""Batch normalisation that accepts a single value per channel in training."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.dist import get_world_size
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .tracing import make_fx_leaf


# MMEngine's initialisers know layers by the names of their own classes' bases.
class BatchNorm2d(nn.BatchNorm2d, _BatchNorm):
    """``nn.BatchNorm2d`` that normalises a single value by the running statistics.

    A batch of one whose map is 1x1 (the pooled vectors of the weightings, or the
    lowest resolution of a 32x32 input) has no variance: PyTorch raises an error
    there, and an epoch whose last batch holds one sample dies at its end. This
    layer then does what it does in evaluation: it normalises by the running
    statistics and leaves them as they are. Every other batch is normalised by
    its own statistics, as always.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        make_fx_leaf(self)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, H, W) channel by channel."""
        single = self.training and x.shape[0] * x.shape[2:].numel() == 1
        if single and self.track_running_stats:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias,
                training=False, eps=self.eps,
            )  # fmt: skip
        return super().forward(x)


#: Config of the normalisation that layers have by default.
BN = dict(type=BatchNorm2d)


def build_norm(norm_cfg: dict, channels: int) -> nn.Module:
    """Build a normalisation layer from its config."""
    return build_norm_layer(norm_cfg, channels)[1]


def single_value_norm(norm_cfg: dict) -> dict:
    """Let the config of batch normalisation build :class:`BatchNorm2d`.

    Args:
        norm_cfg: Config of a normalisation layer, as ``dict(type='BN')``.

    Returns:
        The config with 'BN' and 'BN2d' replaced, and on one process 'SyncBN' too,
        as MMEngine does it. In several processes, which must exist by then,
        'SyncBN' stays PyTorch's layer: its statistics cover several values. A config
        of any other layer comes back as it is.
    """
    names = {"BN", "BN2d"} if get_world_size() > 1 else {"BN", "BN2d", "SyncBN"}
    layer = norm_cfg["type"]
    if isinstance(layer, str) and layer in names:
        return dict(norm_cfg, type=BatchNorm2d)
    return norm_cfg
