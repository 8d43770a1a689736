"""Batch normalisation that accepts a single value per channel in training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm


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


# MMEngine's initialisers know layers by the names of their own classes' bases.
class BatchNorm2d(_SingleValue, nn.BatchNorm2d, _BatchNorm):
    """``nn.BatchNorm2d`` that accepts a single value per channel in training."""


class SyncBatchNorm(_SingleValue, nn.BatchNorm2d, _BatchNorm):
    """``nn.SyncBatchNorm`` that accepts a single value, and works on the CPU too.

    On one process it is :class:`BatchNorm2d`, in a process group of one, too. With
    several, all of them must take part in the exchange of statistics, which then
    cover more than one value: on GPUs this is PyTorch's, which takes CUDA tensors
    only; on the CPU it is done here.

    It is no subclass of PyTorch's on purpose: DistributedDataParallel refuses that
    one on the CPU, and MMEngine replaces it on one process by a layer that does not
    accept a single value.
    """

    #: What PyTorch's forward asks of its layer.
    process_group = None
    _check_non_zero_input_channels = nn.SyncBatchNorm._check_non_zero_input_channels

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, H, W) channel by channel."""
        if not (self.training and self._synchronised()):
            return super().forward(x)
        if x.is_cuda:
            return nn.SyncBatchNorm.forward(self, x)
        return self._forward_on_cpu(x)

    def _synchronised(self) -> bool:
        return get_world_size() > 1

    def _forward_on_cpu(self, x: Tensor) -> Tensor:
        values = x if x.dtype == torch.float64 else x.float()
        count = values.new_tensor([x.numel() / x.shape[1]])
        sums = all_reduce(torch.cat([values.sum((0, 2, 3)), count]))
        count = sums[-1].item()
        mean = sums[:-1] / count
        centred = values - mean[:, None, None]
        var = all_reduce(centred.square().sum((0, 2, 3))) / count
        if self.track_running_stats:
            self.num_batches_tracked.add_(1)
            weight = self.momentum
            if weight is None:
                weight = 1 / self.num_batches_tracked.item()
            unbiased = var.detach() * count / max(count - 1, 1)
            self.running_mean.lerp_(mean.detach().to(self.running_mean), weight)
            self.running_var.lerp_(unbiased.to(self.running_var), weight)
        y = centred * (var + self.eps).rsqrt()[:, None, None]
        if self.affine:
            y = y * self.weight[:, None, None] + self.bias[:, None, None]
        return y.to(x.dtype)


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
    """
    layer = norm_cfg["type"]
    known = _SINGLE_VALUE_TYPES.get(layer) if isinstance(layer, str) else None
    return dict(norm_cfg, type=known or layer)
