"""What the pickle of a checkpoint may name, and what it gets for it.

Unpickling can call anything that a file names. Here a table says what may be named:
what tensors, arrays and containers are made of, and what MMEngine saves besides, such
as the history of the log. Some of these are functions that are not safe to call:
``getattr`` gives access to everything, and ``numpy.ndarray`` can take bytes of the file
for addresses of objects in memory. In place of them the file gets stand-ins that do
what MMEngine's checkpoints need and nothing else.
"""

from __future__ import annotations

import builtins
import collections
import datetime
import pathlib
import pickle
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from torch import Tensor, nn

#: Types of numbers in arrays, by the codes that files have for them.
NUMBERS = {
    np.dtype(code).str[1:]: np.dtype(code)
    for code in ("?", *np.typecodes["AllInteger"], *"efdFD")
}

#: Where NumPy 1.x and 2.x have the functions that files name.
NUMPY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")


def one_cycle(*_: object) -> None:
    """Stand in for MMEngine's one-cycle schedule, which a file may name but not call.

    Raises:
        pickle.UnpicklingError: Always.
    """
    raise pickle.UnpicklingError("a checkpoint may not call OneCycleParamScheduler")


#: Class as a file gets it -> the real one, and which of its methods a file may name:
#: the statistics of a stored history, the curves of a one-cycle schedule.
METHODS: dict[Callable, tuple[type, tuple[str, ...]]] = {
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


class ArrayType:
    """Stand in for ``numpy.dtype``: what an array consists of.

    NumPy's own would take parts and sizes from a file, and then read memory by them.
    This one takes the byte order.

    Args:
        code: A code of :data:`NUMBERS`, or one for texts of some length.

    Attributes:
        dtype: The real type.

    Raises:
        pickle.UnpicklingError: If the code is another one.
    """

    def __init__(self, code: str, *_: object) -> None:
        if code not in NUMBERS and not re.fullmatch(r"[US]\d{1,9}", code):
            raise pickle.UnpicklingError(
                f"a checkpoint may hold arrays of {', '.join(NUMBERS)} and of texts "
                f"only; this one has {code!r}"
            )
        self.dtype = np.dtype(code)

    def __setstate__(self, state: object) -> None:
        """Take the byte order of a file, and nothing else."""
        match state:
            case (_, "<" | ">" | "|" | "=" as order, None, None, None, *_):
                self.dtype = self.dtype.newbyteorder(order)
            case _:
                raise pickle.UnpicklingError(
                    "a checkpoint may hold no arrays of records"
                )

    def __reduce__(self) -> str | tuple:
        """Be the real type, where it is saved again."""
        return self.dtype.__reduce__()

    def __eq__(self, other: object) -> bool:
        """Compare as the real type."""
        return bool(self.dtype == other)

    def __hash__(self) -> int:
        """Hash as the real type."""
        return hash(self.dtype)


class Array(np.ndarray):
    """Stand in for the array that a file fills; saved again, it is NumPy's own."""

    def __setstate__(self, state: Any) -> None:
        """Take shape and values of a file, if they are numbers or texts."""
        match state:
            case (version, shape, ArrayType(dtype=dtype), columns_first, bytes(data)):
                super().__setstate__((version, shape, dtype, columns_first, data))
            case _:
                raise pickle.UnpicklingError(
                    "a checkpoint may hold no arrays of objects"
                )

    def __reduce__(self) -> str | tuple:
        """Be one of NumPy's."""
        return self.view(np.ndarray).__reduce__()


def new_scalar(kind: ArrayType, data: bytes) -> Any:
    """Stand in for NumPy's ``scalar``.

    Raises:
        pickle.UnpicklingError: If it is to be of another type than :class:`ArrayType`
            allows.
    """
    if not isinstance(kind, ArrayType) or not isinstance(data, bytes):
        raise pickle.UnpicklingError("a checkpoint may hold no scalars of objects")
    return np.ndarray((), kind.dtype, data or None)[()]


def array_type(*_: object) -> None:
    """Stand in for ``numpy.ndarray``, which a file may name but not call.

    Raises:
        pickle.UnpicklingError: Always.
    """
    raise pickle.UnpicklingError("a checkpoint may not call numpy.ndarray")


def new_array(kind: object, *_: object) -> Array:
    """Stand in for NumPy's ``_reconstruct``: make the array that is then filled.

    Raises:
        pickle.UnpicklingError: If it is to be of another class than ``ndarray``.
    """
    if kind is not array_type:
        raise pickle.UnpicklingError(
            f"a checkpoint may hold arrays of numpy.ndarray only, not of {kind!r}"
        )
    return np.empty(0).view(Array)


def encode(text: str, encoding: str) -> bytes:
    """Stand in for ``codecs.encode``, by which pickles of protocol 2 hold bytes.

    Raises:
        pickle.UnpicklingError: If the encoding is not the one that they use.
    """
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}")
    return text.encode(encoding)


def no_bytes() -> bytes:
    """Stand in for ``bytes``, of which files call for an empty array's values."""
    return b""


def default_dict(*_: object) -> dict:
    """Stand in for ``collections.defaultdict``: a dict, which calls no factory."""
    return {}


#: What MMEngine's checkpoints name besides tensors and containers -> what they get.
#: A config's mappings, which descriptions of data sets keep, come out as dicts.
MMENGINE_GLOBALS: dict[str, Callable] = {
    "builtins.getattr": get_method,
    "mmengine.config.config.ConfigDict": dict,
    "mmengine.logging.history_buffer.HistoryBuffer": HistoryBuffer,
    f"{OneCycleParamScheduler.__module__}.OneCycleParamScheduler": one_cycle,
    "numpy.ndarray": array_type,
    "numpy.dtype": ArrayType,
    "builtins.bytes": no_bytes,
}
for _module in NUMPY_MODULES:
    MMENGINE_GLOBALS[f"{_module}._reconstruct"] = new_array
    MMENGINE_GLOBALS[f"{_module}.scalar"] = new_scalar

#: Values that users keep in ``meta`` -> what they get. A path of another system comes
#: out as one that opens no file.
META_GLOBALS: dict[str, Callable] = {
    "collections.defaultdict": default_dict,
    # What makes the values of a defaultdict, to PyTorch.
    **{f"builtins.{kind.__name__}": kind for kind in (int, float, str, list, dict)},
}
for _kind in ("datetime", "date", "time", "timedelta", "timezone"):
    META_GLOBALS[f"datetime.{_kind}"] = getattr(datetime, _kind)
for _module in ("pathlib", "pathlib._local"):  # the latter is CPython 3.13's
    for _system in ("Posix", "Windows"):
        _pure = getattr(pathlib, f"Pure{_system}Path")
        META_GLOBALS[f"{_module}.Pure{_system}Path"] = _pure
        _own = type(pathlib.Path()).__name__ == f"{_system}Path"
        META_GLOBALS[f"{_module}.{_system}Path"] = pathlib.Path if _own else _pure

_BUILTINS = (
    "bool", "int", "float", "complex", "str", "bytearray", "set", "frozenset",
    "list", "tuple", "dict", "slice", "range",
)  # fmt: skip
_REBUILD = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")

#: What any checkpoint may name -> what it gets.
GLOBALS: dict[str, Any] = {
    **MMENGINE_GLOBALS,
    **META_GLOBALS,
    "_codecs.encode": encode,
    "collections.OrderedDict": collections.OrderedDict,
    "collections.deque": collections.deque,
    "collections.Counter": collections.Counter,
    "torch.Size": torch.Size,
    "torch.device": torch.device,
    "torch.Tensor": Tensor,
    "torch.nn.parameter.Parameter": nn.Parameter,
    **{f"torch._utils.{name}": getattr(torch._utils, name) for name in _REBUILD},
    **{f"builtins.{name}": getattr(builtins, name) for name in _BUILTINS},
    **{
        f"torch.{name}": value
        for name, value in vars(torch).items()
        if isinstance(value, torch.dtype)
    },
}


class SafeUnpickler(pickle.Unpickler):
    """Finds what :data:`GLOBALS` has, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Look up what a file names.

        Raises:
            pickle.UnpicklingError: If it is not in the table.
        """
        if module == "__builtin__":  # Python 2's name, which protocol 2 keeps.
            module = "builtins"
        try:
            return GLOBALS[f"{module}.{name}"]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None


#: What ``torch.load`` takes as its ``pickle_module``.
SAFE_PICKLE = SimpleNamespace(
    __name__="pickle",
    Unpickler=SafeUnpickler,
    UnpicklingError=pickle.UnpicklingError,
    load=lambda file, **options: SafeUnpickler(file, **options).load(),
)


def torch_safe_globals() -> list[Callable | tuple[Callable, str]]:
    """List what PyTorch does not know, as its ``add_safe_globals`` takes it.

    Names in files contain a dot. What stands here under a name without one can be
    filled with what a file holds, but not be named by it.
    """
    return [
        *((value, name) for name, value in (MMENGINE_GLOBALS | META_GLOBALS).items()),
        (Array, "ndarray"),  # so that a file may fill one
    ]
