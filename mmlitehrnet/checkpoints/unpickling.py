"""Read a pickle without running anything that it names.

A checkpoint is a pickle, which can name any function and have it called. Here it gets
what :data:`GLOBALS` has: tensors, arrays, containers, dates, paths and MMEngine's log.
Anything else becomes an :class:`Inert` object, and entries of a dict that would be one
are left out, so that a training goes on with what its config builds for them.

PyTorch's own ``weights_only`` refuses such files, knows neither the protocols of
``.pdparams`` nor, before 2.6, any exceptions.
"""

from __future__ import annotations

import collections
import pathlib
import pickle
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer


class Inert:
    """What stands for an object that is not data. It does nothing.

    Args:
        name: What the file asked for, as 'posix.system'.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        """Name it, for messages."""
        return f"<{self.name}, left out>"


def new_type(code: object, *_: object) -> np.dtype | Inert:
    """Make a type of numbers or of texts, for ``numpy.dtype``.

    Types of objects, of records and of dates are not made: NumPy would take bytes of
    the file for addresses in memory.
    """
    if isinstance(code, str) and np.dtype(code).kind in "biufcUS":
        return np.dtype(code, copy=True)  # The file sets its byte order.
    return Inert(f"numpy.dtype({code!r})")


def new_array(kind: object, *_: object) -> np.ndarray | Inert:
    """Make an array that the file fills, for NumPy's ``_reconstruct``."""
    if isinstance(kind, Inert) and kind.name == "numpy.ndarray":
        return np.empty(0)
    return Inert(str(kind))


def new_scalar(kind: object, data: object = b"") -> Any:
    """Make a number or a text of NumPy, for its ``scalar``."""
    if isinstance(kind, np.dtype) and isinstance(data, bytes):
        return np.ndarray((), kind, data or None)[()]
    return Inert("numpy.scalar")


def fill(target: Any, state: Any) -> Any:
    """Give an object its state.

    Args:
        target: An object that the file made.
        state: What the file has for it.

    Returns:
        The object, or an inert one where it is of a kind that no file may fill.
    """
    match target, state:
        case collections.OrderedDict(), dict():
            vars(target).update(state)  # `_metadata` of a state dict
        case HistoryBuffer(), dict():
            # All histories share their methods, which are not a file's to change.
            target.__setstate__({**state, "statistics_methods": {}})
        case np.dtype(), (_, "<" | ">" | "=" | "|" as order, None, None, None, *_):
            kind: Any = target  # Nothing else of it changes.
            version, _, *rest = kind.__reduce__()[2]
            kind.__setstate__((version, order, *rest))
        case np.ndarray(), (_, _, np.dtype(), _, bytes()):
            target.__setstate__(state)
        case Inert(), _:
            pass
        case _:
            return Inert(type(target).__name__)
    return target


#: What a file may name, and gets as it is.
DATA = (
    *(f"builtins.{x}" for x in ("bytearray", "bytes", "complex", "frozenset", "set")),
    "builtins.slice",
    *(f"collections.{name}" for name in ("Counter", "OrderedDict", "deque")),
    *(f"datetime.{x}" for x in ("date", "datetime", "time", "timedelta", "timezone")),
    "mmengine.logging.history_buffer.HistoryBuffer",
    *(f"torch.{name}" for name in ("Size", "device", "nn.parameter.Parameter")),
    *(f"torch._utils._rebuild_{x}" for x in ("parameter", "tensor", "tensor_v2")),
    "torch.storage.UntypedStorage",
    *(str(kind) for kind in vars(torch).values() if isinstance(kind, torch.dtype)),
)

#: What a file may name, and call where it can be called -> what it gets.
GLOBALS: dict[str, Any] = {
    **{name: resolve_name(name) for name in DATA},
    "collections.defaultdict": lambda *_: {},  # It would call what the file names.
    "_codecs.encode": lambda text, _: text.encode("latin1"),  # bytes, in protocol 2
    "mmengine.config.config.ConfigDict": dict,
    "numpy.dtype": new_type,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # NumPy 1, 2
    GLOBALS[f"{_module}._reconstruct"] = new_array
    GLOBALS[f"{_module}.scalar"] = new_scalar
for _name in ("PosixPath", "WindowsPath"):
    # A path of another system comes out as one that opens no file.
    _pure = getattr(pathlib, f"Pure{_name}")
    _path = pathlib.Path if type(pathlib.Path()).__name__ == _name else _pure
    for _module in ("pathlib", "pathlib._local"):  # the latter is CPython 3.13's
        GLOBALS |= {f"{_module}.{_name}": _path, f"{_module}.Pure{_name}": _pure}

_CALLABLE = {id(value) for value in GLOBALS.values() if callable(value)}

#: What is inert in files of MMEngine, NumPy and PyTorch, too: not worth a word.
USUAL = {
    "builtins.getattr",  # methods of a log and of a one-cycle schedule
    "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler",
    "numpy.ndarray",
    *(f"builtins.{name}" for name in ("dict", "float", "int", "list", "str", "tuple")),
}


#: Python's unpickler in Python, each operation of which can be replaced.
_PythonUnpickler: Any = pickle._Unpickler


class SafeUnpickler(_PythonUnpickler):
    """Unpickles data; ``unknown`` collects the names of what is not data.

    Each operation that calls, fills or extends an object is replaced.
    """

    dispatch = dict(_PythonUnpickler.dispatch)
    unknown: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        """Look up what a file names."""
        if module == "__builtin__":  # Python 2's name, which protocol 2 keeps.
            module = "builtins"
        full = f"{module}.{name}"
        if full in GLOBALS:
            return GLOBALS[full]
        if full not in USUAL:
            self.unknown.add(full)
        return Inert(full)

    def call(self, function: Any, arguments: Any) -> Any:
        """Call what :data:`GLOBALS` has, and nothing else.

        Raises:
            pickle.UnpicklingError: If it is another object of the file.
        """
        for part in (function, *arguments):
            if isinstance(part, Inert) and (part is function or part.name not in USUAL):
                return part  # What is made of inert objects is one.
        if id(function) not in _CALLABLE:
            raise pickle.UnpicklingError(f"it calls {function!r}")
        return function(*arguments)

    def extend(self, items: list) -> None:
        """Put items into the container on top of the stack.

        Raises:
            pickle.UnpicklingError: If it is none.
        """
        match self.stack[-1]:
            case list() | collections.deque() as target:
                target.extend(items)
            case set() as target:
                target.update(items)
            case dict() as target:
                for key, value in zip(items[::2], items[1::2], strict=True):
                    if not isinstance(value, Inert):
                        target[key] = value
            case Inert():
                pass
            case other:
                raise pickle.UnpicklingError(f"it extends {other!r}")

    def _load_reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self.call(self.stack[-1], arguments)

    def _load_newobj_ex(self) -> None:
        self.stack.pop()  # arguments by name, which no data needs
        self._load_reduce()

    def _instantiate(self, kind: Any, arguments: Any) -> None:
        self.append(self.call(kind, arguments))

    def get_extension(self, code: int) -> None:
        """Take numbers that stand for names, which are the process's own, for inert."""
        self.append(Inert(f"copyreg's extension {code}"))

    def _load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        filled = fill(target, state)
        if filled is not target:  # What refers to it is to find the inert object, too.
            self.stack[-1] = filled
            for key, value in self.memo.items():
                if value is target:
                    self.memo[key] = filled

    def _load_append(self) -> None:
        self.extend([self.stack.pop()])

    def _load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.extend([key, value])

    def _load_extend(self) -> None:
        self.extend(self.pop_mark())

    def _load_binpersid(self) -> None:
        name = self.stack.pop()
        known = isinstance(name, tuple) and name[:1] in (("storage",), (b"storage",))
        self.append(self.persistent_load(name) if known else Inert("module"))

    dispatch[pickle.REDUCE[0]] = _load_reduce
    dispatch[pickle.NEWOBJ[0]] = _load_reduce
    dispatch[pickle.NEWOBJ_EX[0]] = _load_newobj_ex
    dispatch[pickle.BUILD[0]] = _load_build
    dispatch[pickle.APPEND[0]] = _load_append
    dispatch[pickle.SETITEM[0]] = _load_setitem
    for _code in (pickle.APPENDS, pickle.SETITEMS, pickle.ADDITEMS):
        dispatch[_code[0]] = _load_extend
    dispatch[pickle.BINPERSID[0]] = _load_binpersid


def safe_pickle(unknown: set[str]) -> SimpleNamespace:
    """Make what ``torch.load`` takes as its ``pickle_module``.

    Args:
        unknown: Gets the names of what is not data.
    """
    reader = type("Unpickler", (SafeUnpickler,), dict(unknown=unknown))
    return SimpleNamespace(
        __name__="pickle",
        Unpickler=reader,
        UnpicklingError=pickle.UnpicklingError,
        load=lambda file, **options: reader(file, **options).load(),
    )
