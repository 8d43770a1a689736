"""Several processes on the CPU, with gloo, which MMEngine cannot start by itself.

MMEngine's launchers call ``torch.cuda.set_device`` and so need a GPU. Importing this
module where there is none lets MMEngine's runner start its processes by
:func:`init_gloo`. ``configs/_base_/cpu_distributed.py`` imports it.
"""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import mmcv.cnn  # noqa: F401  Registers PyTorch's SyncBN, which is replaced.
import mmengine.runner.runner
import torch
from mmengine.dist import init_dist
from mmengine.registry import MODELS
from torch import nn


def init_gloo(launcher: str, backend: str = "gloo", **options: Any) -> None:
    """Make the process group as MMEngine does, with gloo and also without a GPU.

    Args:
        launcher: What started the processes, and so which variables tell of them:
            'pytorch', 'slurm' or 'mpi'.
        backend: Not used: configs name that of GPUs.
        **options: What else ``env_cfg.dist_cfg`` of a config may hold, as ``timeout``
            in seconds.
    """
    if torch.cuda.is_available():
        init_dist(launcher, "gloo", **options)
        return
    with patch.object(torch.cuda, "set_device"):
        init_dist(launcher, "gloo", **options)
    # PyTorch's ``SyncBatchNorm`` takes CUDA tensors only.
    MODELS.register_module(name="SyncBN", module=nn.BatchNorm2d, force=True)


if not torch.cuda.is_available():
    mmengine.runner.runner.init_dist = init_gloo
