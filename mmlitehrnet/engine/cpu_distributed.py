"""Several processes on the CPU, with gloo, which MMEngine cannot start by itself.

MMEngine's launchers call ``torch.cuda.set_device`` and so need a GPU, but leave a
process group that is already there as it is. Importing this module makes one where
``torch.distributed.launch`` or ``torchrun`` started the process and there is no GPU;
anywhere else it does nothing. ``configs/_base_/cpu_distributed.py`` imports it.
"""

from __future__ import annotations

import os

import mmcv.cnn  # noqa: F401  Registers PyTorch's SyncBN, which is replaced.
import torch
import torch.distributed as dist
from mmengine.registry import MODELS
from torch import nn


def init_gloo() -> None:
    """Make the process group, and let 'SyncBN' in a config build ordinary BN.

    PyTorch's ``SyncBatchNorm`` takes CUDA tensors only.
    """
    if "RANK" not in os.environ or torch.cuda.is_available() or dist.is_initialized():
        return
    dist.init_process_group("gloo")
    MODELS.register_module(name="SyncBN", module=nn.BatchNorm2d, force=True)


init_gloo()
