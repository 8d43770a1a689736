"""Several processes on the CPU, with gloo, which MMEngine cannot start by itself.

MMEngine's launchers call ``torch.cuda.set_device`` and so need a GPU, but leave a
process group that is already there as it is. Importing this module makes one where
``torch.distributed.launch`` or ``torchrun`` started the process and there is no GPU;
anywhere else it does nothing. ``configs/_base_/cpu_distributed.py`` imports it.
"""

from __future__ import annotations

import os

import mmcv.cnn  # noqa: F401  Registers PyTorch's SyncBN.
import torch
import torch.distributed as dist
from mmengine.registry import MODELS

from ..models.layers.norm import SyncBatchNorm


def init_gloo() -> None:
    """Make the process group, and let 'SyncBN' of all layers work on the CPU."""
    if "RANK" not in os.environ or torch.cuda.is_available() or dist.is_initialized():
        return
    dist.init_process_group("gloo")
    # PyTorch's own takes CUDA tensors only; the heads of other packages ask for it.
    MODELS.register_module(name="SyncBN", module=SyncBatchNorm, force=True)


init_gloo()
