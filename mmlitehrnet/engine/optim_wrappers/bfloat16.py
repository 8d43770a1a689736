"""Mixed precision in bfloat16, on the CPU as well as on GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner import autocast
from torch import nn


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """Runs a model's forward pass under autocast to bfloat16.

    bfloat16 has the range of float32 and needs no loss scaling. MMEngine's
    ``AmpOptimWrapper``, which ``--amp`` sets, scales losses and insists on a GPU.
    Weights, gradients and the optimizer's state are float32. In a config::

        optim_wrapper = dict(type="Bfloat16OptimWrapper")
        model = dict(train_cfg=dict(compute_acc=False))  # pose: NumPy has no bfloat16
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Cast what happens inside, as MMEngine does for its own wrapper."""
        cast = autocast(device_type=get_device(), dtype=torch.bfloat16)
        with super().optim_context(model), cast:
            yield
