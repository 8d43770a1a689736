"""Let PyTorch load MMEngine's checkpoints weights-only.

For MMEngine 0.10 on torch >= 2.6, where ``torch.load`` refuses all that it does not
know, unless it is told to trust the file. What MMEngine saves besides tensors (the
history of the log, the description of the data set, the state of schedules) is allowed
by :mod:`mmlitehrnet.checkpoints.unpickling`; no file is trusted. Can go when MMEngine
lets PyTorch load its own checkpoints.
"""

from __future__ import annotations

import torch
from mmengine.utils import digit_version

from ..checkpoints.unpickling import torch_safe_globals


def allow_checkpoints() -> None:
    """Allow what MMEngine's checkpoints hold, where PyTorch asks for it."""
    if digit_version(torch.__version__) >= digit_version("2.6"):
        torch.serialization.add_safe_globals(torch_safe_globals())
