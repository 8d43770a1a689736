"""Let PyTorch load MMEngine's checkpoints weights-only.

For MMEngine 0.10 on torch >= 2.6, where ``torch.load`` refuses all types that it does
not know, unless it is told to trust the file. Besides tensors, MMEngine's checkpoints
hold the history of the log and the description of the data set: NumPy arrays and
:class:`~mmengine.logging.HistoryBuffer`. These types are allowed here and nothing else
is; no file is trusted, and what loading one can do remains limited to making such
values.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.utils import digit_version

#: The statistics that a stored history names; MMEngine sets the same on loading.
STATISTICS = ("min", "max", "mean", "current")

#: Types of numbers in the arrays of MMEngine's and MMPose's checkpoints.
NUMBERS = ("bool", "uint8", "int32", "int64", "float32", "float64")

#: Where NumPy 1.x and 2.x have the functions that files name.
NUMPY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")


def get_statistic(owner: object, name: str) -> Callable:
    """Stand in for ``getattr``, by which a stored history names its statistics.

    ``getattr`` itself would give a file access to everything.

    Args:
        owner: MMEngine's ``HistoryBuffer``.
        name: One of :data:`STATISTICS`.

    Raises:
        pickle.UnpicklingError: If anything else is asked for.
    """
    if owner is not HistoryBuffer or name not in STATISTICS:
        raise pickle.UnpicklingError(
            f"a checkpoint may name HistoryBuffer's {', '.join(STATISTICS)} only; this "
            f"one names {name!r} of {owner!r}"
        )
    return getattr(HistoryBuffer, name)


def allowed_globals() -> list[Callable | tuple[Callable, str]]:
    """List what a checkpoint may name, in the form ``add_safe_globals`` takes."""
    reconstruct = np.zeros(1).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    return [
        *((reconstruct, f"{module}._reconstruct") for module in NUMPY_MODULES),
        *((scalar, f"{module}.scalar") for module in NUMPY_MODULES),
        np.ndarray,
        np.dtype,
        *(type(np.dtype(number)) for number in NUMBERS),
        HistoryBuffer,
        (get_statistic, "builtins.getattr"),
    ]


def allow_checkpoints() -> None:
    """Allow what MMEngine's checkpoints hold, where PyTorch asks for it."""
    if digit_version(torch.__version__) >= digit_version("2.6"):
        torch.serialization.add_safe_globals(allowed_globals())
