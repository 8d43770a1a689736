"""Several processes on the CPU, with gloo, which MMEngine cannot start by itself.

MMEngine's launchers call ``torch.cuda.set_device`` and so need a GPU, but leave a
process group that is already there as it is. Importing this module makes one where
``torch.distributed.launch`` or ``torchrun`` started the process and there is no GPU;
anywhere else it does nothing. ``configs/_base_/cpu_distributed.py`` imports it.
"""

from __future__ import annotations

import os

import torch
import torch.distributed as dist


def init_gloo() -> None:
    """Make the process group where there is none and no GPU."""
    if "RANK" not in os.environ or torch.cuda.is_available() or dist.is_initialized():
        return
    dist.init_process_group("gloo")


init_gloo()
