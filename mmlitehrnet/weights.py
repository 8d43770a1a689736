"""Read a checkpoint as data: no code that it may hold is run."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor

#: Before a file name, it makes MMEngine's checkpoint loading read weights only.
SCHEME = "weights-only:"

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
            raise pickle.UnpicklingError(f"it refers to {module}.{name}")
        return allowed[name] or super().find_class(module, name)


# What torch.load takes in the place of the module `pickle`.
_PICKLE = SimpleNamespace(
    __name__="weights_only",
    Unpickler=_Unpickler,
    load=lambda file, **kwargs: _Unpickler(file, **kwargs).load(),
)


def load_checkpoint(path: str | Path) -> dict:
    """Read a checkpoint without running any code that it may hold.

    Args:
        path: File written by ``torch.save``: a state dict, or a dict with one under
            'state_dict', as all runners of OpenMMLab and of the authors write it.

    Returns:
        A dict with 'state_dict' (name to tensor, on the CPU) and whatever else was in
        the file; of log buffers nothing remains.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint, or holds more than data.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint {path}: there is no such file")
    try:
        found = torch.load(
            path, map_location="cpu", pickle_module=_PICKLE, weights_only=False
        )
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"checkpoint {path} holds more than weights, or is none: {error}. Nothing "
            "of it was run"
        ) from error
    except Exception as error:  # A damaged file can fail in any way.
        raise ValueError(f"checkpoint {path} cannot be read: {error}") from error
    if isinstance(found, Mapping) and "state_dict" not in found:
        found = dict(state_dict=found)
    weights = found.get("state_dict") if isinstance(found, Mapping) else None
    if not isinstance(weights, Mapping) or not any(
        isinstance(value, Tensor) for value in weights.values()
    ):
        raise ValueError(
            f"checkpoint {path} holds no weights: neither it nor its 'state_dict' is a "
            "dict of tensors"
        )
    return dict(found)


@CheckpointLoader.register_scheme(SCHEME, force=True)
def load_from_weights_only(filename: str, map_location: object = None) -> dict:
    """Read a checkpoint named with :data:`SCHEME`, for MMEngine."""
    return load_checkpoint(filename.removeprefix(SCHEME))
