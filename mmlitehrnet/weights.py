"""Read a checkpoint as data: no code that it may hold is run."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor


class CheckpointError(ValueError):
    """A checkpoint that cannot be used."""


_NUMPY = dict.fromkeys(("_reconstruct", "scalar"))
_PLAIN = dict.fromkeys(("int", "float", "complex", "list", "dict", "set", "tuple"))
#: Module -> names that a checkpoint may refer to: tensors, arrays, containers. A
#: training checkpoint of MMEngine also holds log buffers, of which nothing is needed:
#: they, and the ``getattr`` that they name their methods by, become empty objects.
_ALLOWED: dict[str, dict[str, object]] = {
    "collections": dict.fromkeys(("OrderedDict", "Counter", "defaultdict")),
    "_codecs": dict.fromkeys(("encode",)),
    "builtins": {**_PLAIN, "getattr": lambda *_: None},
    "__builtin__": {**_PLAIN, "getattr": lambda *_: None},
    "numpy": dict.fromkeys(("ndarray", "dtype")),
    "numpy.core.multiarray": _NUMPY,
    "numpy._core.multiarray": _NUMPY,
    "torch": dict.fromkeys(
        name
        for name, value in vars(torch).items()
        if name in ("Size", "device") or isinstance(value, torch.dtype)
    ),
    "torch._utils": dict.fromkeys(
        ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
    ),
    "torch.nn.parameter": dict.fromkeys(("Parameter",)),
    "mmengine.logging.history_buffer": {"HistoryBuffer": SimpleNamespace},
}  # fmt: skip


class _Unpickler(pickle.Unpickler):
    """Refuses all but the names of the table."""

    def find_class(self, module: str, name: str) -> object:
        allowed = _ALLOWED.get(module, {})
        if name not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return allowed[name] or super().find_class(module, name)


# What torch.load takes in the place of the module `pickle`.
_PICKLE = SimpleNamespace(
    __name__="weights_only",
    Unpickler=_Unpickler,
    load=lambda file, **kwargs: _Unpickler(file, **kwargs).load(),
)


def load_checkpoint(path: str | Path) -> Any:
    """Read a checkpoint without running any code that it may hold.

    Args:
        path: File written by ``torch.save``.

    Returns:
        What was saved, on the CPU, usually a dict with 'state_dict' and 'meta'; of log
        buffers nothing remains.

    Raises:
        CheckpointError: If the file is missing, damaged, or holds more than data.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"{path}: there is no such file")
    try:
        return torch.load(
            path, map_location="cpu", pickle_module=_PICKLE, weights_only=False
        )
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than weights: {error}. Nothing of it was run"
        ) from error
    except Exception as error:  # A damaged file can fail in any way.
        raise CheckpointError(f"{path} cannot be read ({error!r})") from error


def weights_of(checkpoint: Any, name: str = "the checkpoint") -> dict[str, Tensor]:
    """Return the weights of a checkpoint.

    Args:
        checkpoint: A dict with a 'state_dict', or the weights themselves.
        name: Name of the checkpoint, for the message.

    Returns:
        Tensors by name, the ``module.`` of parallel training taken off.

    Raises:
        CheckpointError: If there are none.
    """
    state = checkpoint
    if isinstance(checkpoint, Mapping):
        state = checkpoint.get("state_dict", checkpoint)
    items = state.items() if isinstance(state, Mapping) else ()
    weights = {
        key.removeprefix("module."): value
        for key, value in items
        if isinstance(value, Tensor)
    }
    if not weights:
        raise CheckpointError(
            f"{name} holds no weights: a dict with a 'state_dict', or a state dict "
            "itself, is needed"
        )
    return weights
