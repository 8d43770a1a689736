"""Let PyTorch load MMEngine's checkpoints weights-only.

For MMEngine 0.10 on torch >= 2.6, where ``torch.load`` refuses all that it does not
know, unless it is told to trust the file. Besides tensors, MMEngine's checkpoints hold
the history of the log and the description of the data set: arrays of numbers and
:class:`~mmengine.logging.HistoryBuffer`. These are allowed here; no file is trusted.

What a file may call is narrower than the functions that it names, as some of them are
not safe to call: ``getattr`` gives access to everything, and ``numpy.ndarray`` can take
bytes of the file for addresses of objects in memory.
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

#: Types of numbers in the arrays of MMEngine's and MMPose's checkpoints, in the byte
#: order of this machine, by the codes that files have for them.
NUMBERS = {
    np.dtype(name).str[1:]: np.dtype(name)
    for name in ("bool", "uint8", "int32", "int64", "float32", "float64")
}

#: Where NumPy 1.x and 2.x have the functions that files name.
NUMPY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")


def get_statistic(owner: object, name: str) -> Callable:
    """Stand in for ``getattr``, by which a stored history names its statistics.

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


def get_number_type(code: str, *_: object) -> np.dtype:
    """Stand in for ``numpy.dtype``.

    What comes out is NumPy's own instance, which takes no state from a file.

    Raises:
        pickle.UnpicklingError: If the code is not one of :data:`NUMBERS`.
    """
    if code not in NUMBERS:
        raise pickle.UnpicklingError(
            f"a checkpoint may hold arrays of {', '.join(NUMBERS)} only; this one has "
            f"{code!r}"
        )
    return NUMBERS[code]


def array_type(*_: object) -> None:
    """Stand in for ``numpy.ndarray``, which a file may name but not call.

    Raises:
        pickle.UnpicklingError: Always.
    """
    raise pickle.UnpicklingError("a checkpoint may not call numpy.ndarray")


def new_array(kind: object, *_: object) -> np.ndarray:
    """Stand in for NumPy's ``_reconstruct``: make the array that is then filled.

    Raises:
        pickle.UnpicklingError: If it is to be of another class than ``ndarray``.
    """
    if kind is not array_type:
        raise pickle.UnpicklingError(
            f"a checkpoint may hold arrays of numpy.ndarray only, not of {kind!r}"
        )
    return np.empty(0)


def allowed_globals() -> list[Callable | tuple[Callable, str]]:
    """List what a checkpoint may name, in the form ``add_safe_globals`` takes.

    Names in files contain a dot. What stands here under a name without one can be
    filled with what a file holds, but not be named by it.
    """
    scalar = np.float64(0).__reduce__()[0]
    return [
        *((new_array, f"{module}._reconstruct") for module in NUMPY_MODULES),
        *((scalar, f"{module}.scalar") for module in NUMPY_MODULES),
        (array_type, "numpy.ndarray"),
        (get_number_type, "numpy.dtype"),
        (np.ndarray, "ndarray"),
        *((type(number), f"dtype {code}") for code, number in NUMBERS.items()),
        HistoryBuffer,
        (get_statistic, "builtins.getattr"),
    ]


def allow_checkpoints() -> None:
    """Allow what MMEngine's checkpoints hold, where PyTorch asks for it."""
    if digit_version(torch.__version__) >= digit_version("2.6"):
        torch.serialization.add_safe_globals(allowed_globals())
