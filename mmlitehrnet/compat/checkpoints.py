"""Let PyTorch load MMEngine's checkpoints weights-only.

For MMEngine 0.10 on torch >= 2.6, where ``torch.load`` refuses all that it does not
know, unless it is told to trust the file. Besides tensors, MMEngine's checkpoints hold
the history of the log, the description of the data set and the state of schedules:
arrays of numbers, :class:`~mmengine.logging.HistoryBuffer` and the methods of
:data:`METHODS`. These are allowed here; no file is trusted.

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
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.utils import digit_version

#: Types of numbers in the arrays of MMEngine's and MMPose's checkpoints, in the byte
#: order of this machine, by the codes that files have for them.
NUMBERS = {
    np.dtype(name).str[1:]: np.dtype(name)
    for name in ("bool", "uint8", "int32", "int64", "float32", "float64")
}

#: Where NumPy 1.x and 2.x have the functions that files name.
NUMPY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")


def one_cycle(*_: object) -> None:
    """Stand in for MMEngine's one-cycle schedule, which a file may name but not call.

    Raises:
        pickle.UnpicklingError: Always.
    """
    raise pickle.UnpicklingError("a checkpoint may not call OneCycleParamScheduler")


#: Where a file names a class, what it is given, and of which class it gets methods:
#: the statistics of a stored history, the curves of a one-cycle schedule.
METHODS = {
    HistoryBuffer: (HistoryBuffer, ("min", "max", "mean", "current")),
    one_cycle: (OneCycleParamScheduler, ("_annealing_cos", "_annealing_linear")),
}


def get_method(owner: object, name: str) -> Callable:
    """Stand in for ``getattr``, by which files name methods.

    Args:
        owner: A key of :data:`METHODS`.
        name: One of its names.

    Raises:
        pickle.UnpicklingError: If anything else is asked for.
    """
    for known, (kind, names) in METHODS.items():
        if owner is known and name in names:
            return getattr(kind, name)
    allowed = [
        f"{kind.__name__}.{n}" for kind, names in METHODS.values() for n in names
    ]
    raise pickle.UnpicklingError(
        f"a checkpoint may name the methods {', '.join(allowed)} only; this one names "
        f"{name!r} of {owner!r}"
    )


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
        (one_cycle, f"{OneCycleParamScheduler.__module__}.OneCycleParamScheduler"),
        (get_method, "builtins.getattr"),
    ]


def allow_checkpoints() -> None:
    """Allow what MMEngine's checkpoints hold, where PyTorch asks for it."""
    if digit_version(torch.__version__) >= digit_version("2.6"):
        torch.serialization.add_safe_globals(allowed_globals())
