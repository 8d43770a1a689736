"""Checkpoints of others: read without running their code, compared with the model.

A checkpoint is a pickle, and unpickling can call anything. Here only what makes
tensors, arrays and plain containers is called; a checkpoint that asks for more is
refused. (``torch.load(weights_only=True)`` of PyTorch 2.1 refuses every checkpoint of
MMEngine, because of the log that it carries.)
"""

from __future__ import annotations

import builtins
import collections
import copy
import pickle
import re
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from torch import Tensor, nn

from ..compat.checkpoints import (
    NUMPY_MODULES,
    array_type,
    get_method,
    get_number_type,
    new_array,
    one_cycle,
)

__all__ = [
    "CheckpointError",
    "Mismatch",
    "UntrustedCheckpointError",
    "check_file",
    "check_weights",
    "compare_weights",
    "explain",
    "load_checkpoint",
    "load_weights",
    "unwrap",
    "weights_of",
]


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why and what to do."""


class UntrustedCheckpointError(CheckpointError):
    """A checkpoint that holds more than weights, which is not unpickled untrusted."""


def _encode(text: str, encoding: str) -> bytes:
    """How a pickle of protocol 2 holds bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}")
    return text.encode(encoding)


def _allowed() -> dict[tuple[str, str], Any]:
    """What a checkpoint may name, by module and name."""
    table: dict[tuple[str, str], Any] = {
        ("_codecs", "encode"): _encode,
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("collections", "deque"): collections.deque,
        ("collections", "Counter"): collections.Counter,
        ("mmengine.logging.history_buffer", "HistoryBuffer"): HistoryBuffer,
        ("torch", "Size"): torch.Size,
        ("torch", "device"): torch.device,
        ("torch", "Tensor"): Tensor,
        ("torch.nn.parameter", "Parameter"): nn.Parameter,
        (OneCycleParamScheduler.__module__, "OneCycleParamScheduler"): one_cycle,
        ("numpy", "ndarray"): array_type,
        ("numpy", "dtype"): get_number_type,
    }
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"):
        table["torch._utils", name] = getattr(torch._utils, name)
    for name, value in vars(torch).items():
        if isinstance(value, torch.dtype):
            table["torch", name] = value
    for package in NUMPY_MODULES:
        table[package, "_reconstruct"] = new_array
        table[package, "scalar"] = np.float64(0).__reduce__()[0]
    for kind in ("bool", "int", "float", "complex", "str", "bytes", "bytearray", "set",
                 "frozenset", "list", "tuple", "dict", "slice", "range"):  # fmt: skip
        for package in ("builtins", "__builtin__"):
            table[package, kind] = getattr(builtins, kind)
    for package in ("builtins", "__builtin__"):
        table[package, "getattr"] = get_method
    return table


_ALLOWED = _allowed()


class _Unpickler(pickle.Unpickler):
    """Finds what a checkpoint is made of, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


#: What `torch.load` takes for the module `pickle`.
_PICKLE = SimpleNamespace(
    __name__="pickle",
    Unpickler=_Unpickler,
    UnpicklingError=pickle.UnpicklingError,
    load=lambda file, **options: _Unpickler(file, **options).load(),
)


def check_file(path: str | Path) -> None:
    """Check that a checkpoint file is whole, by the check sums that it carries.

    PyTorch does not look at them: it loads weights with flipped bits as they are.
    Files of the format before PyTorch 1.6 carry none, and are only opened.

    Args:
        path: File of a checkpoint.

    Raises:
        CheckpointError: If the file is missing, empty, truncated or altered.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path} is empty")
    with path.open("rb") as file:
        start = file.read(2)
    try:
        if start == b"PK":
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged is not None:
                raise CheckpointError(f"{path} is damaged: {damaged} was altered")
        elif start[:1] != b"\x80":  # a pickle of protocol 2
            raise CheckpointError(f"{path} is no checkpoint of PyTorch")
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise CheckpointError(f"{path} is truncated or damaged ({error})") from error


def load_checkpoint(path: str | Path, trust: bool = False) -> Any:
    """Load a checkpoint to the CPU without running code from it.

    Args:
        path: File of a checkpoint.
        trust: Whether to unpickle whatever it holds; this can run any code.

    Returns:
        What was saved: usually a dict with 'state_dict' and 'meta'.

    Raises:
        CheckpointError: If the file is missing or damaged.
        UntrustedCheckpointError: If it holds objects other than tensors, arrays,
            numbers, strings and containers of them.
    """
    check_file(path)
    if trust:
        return torch.load(path, map_location="cpu", weights_only=False)
    if tarfile.is_tarfile(path) or _is_torchscript(path):
        raise CheckpointError(
            f"{path} is no checkpoint but a program (TorchScript) or of a format that "
            "is no longer read: save its state_dict with torch.save"
        )
    try:
        return torch.load(
            path, map_location="cpu", pickle_module=_PICKLE, weights_only=False
        )
    except pickle.UnpicklingError as error:
        raise UntrustedCheckpointError(
            f"{path} holds more than weights: {error}. Nothing of it was run. Save its "
            "state_dict alone where it comes from"
        ) from error
    except Exception as error:
        # A malformed pickle can fail in any way.
        raise CheckpointError(f"{path} cannot be read ({error!r})") from error


def _is_torchscript(path: str | Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def weights_of(checkpoint: Any, name: str = "the checkpoint") -> dict[str, Tensor]:
    """Return the weights of a checkpoint.

    Args:
        checkpoint: What :func:`load_checkpoint` gives: a dict with a 'state_dict', or
            the weights themselves.
        name: Name of the checkpoint, for the message.

    Returns:
        Tensors by name, the ``module.`` of parallel training taken off.

    Raises:
        CheckpointError: If there are none.
    """
    if isinstance(checkpoint, Mapping):
        state = checkpoint.get("state_dict", checkpoint)
        if isinstance(state, Mapping):
            weights = {
                re.sub(r"^module\.", "", key): value
                for key, value in state.items()
                if isinstance(value, Tensor)
            }
            if weights:
                return weights
    holds = sorted(map(str, checkpoint)) if isinstance(checkpoint, Mapping) else None
    raise CheckpointError(
        f"{name} holds no weights, but {holds or type(checkpoint).__name__}: a dict "
        "with a 'state_dict', or a state dict itself, is needed"
    )


class Mismatch(NamedTuple):
    """What of a checkpoint does not fit a model.

    Attributes:
        missing: Tensors of the model that the checkpoint lacks.
        unexpected: Tensors of the checkpoint that the model has no place for.
        shapes: Name -> shape in the checkpoint and in the model, where they differ.
        fitting: Number of tensors that fit.
        errors: What the model's own loading says besides.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    fitting: int
    errors: str = ""

    def outside(self, *prefixes: str) -> Mismatch:
        """The part that is not about tensors whose names begin with a prefix."""

        def keep(names):
            return [name for name in names if not name.startswith(prefixes)]

        return self._replace(
            missing=tuple(keep(self.missing)),
            unexpected=tuple(keep(self.unexpected)),
            shapes={name: self.shapes[name] for name in keep(self.shapes)},
        )

    @property
    def complete(self) -> bool:
        """Whether every tensor of the model gets its value."""
        return not (self.missing or self.shapes or self.errors)

    @property
    def exact(self) -> bool:
        """Whether, besides, the checkpoint holds nothing else."""
        return self.complete and not self.unexpected


def compare_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> Mismatch:
    """Find out what of a checkpoint does not fit a model, which stays as it is.

    Args:
        model: The model, as built from its config.
        weights: Tensors by name.
    """
    model = copy.deepcopy(model)
    own = model.state_dict()
    shapes = {
        name: (tuple(value.shape), tuple(own[name].shape))
        for name, value in weights.items()
        if name in own and value.shape != own[name].shape
    }
    fitting = {name: value for name, value in weights.items() if name not in shapes}
    errors = ""
    try:
        missing, unexpected = model.load_state_dict(fitting, strict=False)
    except RuntimeError as error:
        # Tensors that the model renames while it loads, of another shape.
        missing, unexpected, errors = [], [], str(error)
    missing = [
        name
        for name in missing
        if name not in shapes and not name.endswith("num_batches_tracked")
    ]
    count = len(fitting) - len(unexpected)
    return Mismatch(tuple(missing), tuple(unexpected), shapes, count, errors)


#: Layers that give one map for each keypoint or class -> what sets their number.
OUTPUT_LAYERS = {
    "head.final_layer.": ("keypoints", "model.head.out_channels"),
    "decode_head.conv_seg.": ("classes", "model.decode_head.num_classes"),
    "auxiliary_head.conv_seg.": ("classes", "model.auxiliary_head.num_classes"),
}


def explain(mismatch: Mismatch, checkpoint: Any = None) -> str:
    """Say what does not fit, in the terms of a config, and what to do.

    Args:
        mismatch: What :func:`compare_weights` found.
        checkpoint: The whole checkpoint, for the name of the run that it comes from.
    """
    lines = []
    if mismatch.fitting == 0:
        lines.append(
            "not one of its tensors fits: it is of another network. It has "
            f"{_some(mismatch.unexpected or mismatch.shapes)}, the model "
            f"{_some(mismatch.missing or mismatch.shapes)}"
        )
    else:
        outputs = set()
        for name, (there, here) in mismatch.shapes.items():
            for prefix, (what, key) in OUTPUT_LAYERS.items():
                if name.startswith(prefix) and there[1:] == here[1:]:
                    outputs.add(name)
                    if name.endswith("weight"):
                        lines.append(
                            f"it was trained for {there[0]} {what}, the model has "
                            f"{here[0]}: set {key}={there[0]}, or train from it with "
                            "load_from, which starts the head afresh"
                        )
        others = [name for name in mismatch.shapes if name not in outputs]
        if others:
            there, here = mismatch.shapes[others[0]]
            lines.append(
                f"{len(others)} tensors are of another size, {others[0]} of {there} "
                f"where the model's is of {here}: its network has other widths"
            )
        if mismatch.missing:
            lines.append(
                f"it lacks {len(mismatch.missing)} of the model's tensors: "
                f"{_some(mismatch.missing)}"
            )
        if mismatch.unexpected:
            lines.append(
                f"{len(mismatch.unexpected)} of its tensors have no place in the "
                f"model: {_some(mismatch.unexpected)}"
            )
    if mismatch.errors:
        lines.append(mismatch.errors)
    meta = checkpoint.get("meta") if isinstance(checkpoint, Mapping) else None
    run = meta.get("experiment_name") if isinstance(meta, Mapping) else None
    if run:
        lines.append(f"it was saved by the run {run!r}: use the config of that run")
    return "; ".join(lines)


def _some(names: Any, count: int = 3) -> str:
    names = list(names)
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")


def unwrap(model: nn.Module) -> nn.Module:
    """The model inside the wrappers of parallel training and of ``--tta``."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def load_weights(
    model: nn.Module,
    checkpoint: str | Path | Mapping,
    new_head: bool = False,
    trust: bool = False,
) -> Mismatch:
    """Load a checkpoint into a model, or say why it does not fit.

    Args:
        model: The model, as built from its config.
        checkpoint: A file, or what :func:`load_checkpoint` gave.
        new_head: Whether everything but the backbone may stay as it is initialised,
            as for training on other keypoints or classes.
        trust: See :func:`load_checkpoint`.

    Returns:
        What was left out, for the caller to report; :func:`explain` words it.

    Raises:
        CheckpointError: If the file cannot be used, or the model's tensors (its
            backbone's, with ``new_head``) are not all in it.
    """
    name = "the checkpoint"
    if isinstance(checkpoint, (str, Path)):
        name = str(checkpoint)
        checkpoint = load_checkpoint(checkpoint, trust)
    model = unwrap(model)
    weights = weights_of(checkpoint, name)
    mismatch = check_weights(model, weights, name, new_head, checkpoint)
    fitting = {
        key: value for key, value in weights.items() if key not in mismatch.shapes
    }
    model.load_state_dict(fitting, strict=False)
    return mismatch


def check_weights(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    name: str,
    new_head: bool = False,
    checkpoint: Any = None,
) -> Mismatch:
    """Compare weights with a model and insist on what must be there.

    Args:
        model: The model; it stays as it is.
        weights: Tensors by name.
        name: Name of the checkpoint, for the message.
        new_head: See :func:`load_weights`.
        checkpoint: The whole checkpoint, for the message.

    Returns:
        What does not fit.

    Raises:
        CheckpointError: If the model's tensors (its backbone's, with ``new_head``) are
            not all there.
    """
    mismatch = compare_weights(model, weights)
    heads = tuple(
        f"{child}." for child, _ in model.named_children() if child != "backbone"
    )
    needed = mismatch.outside(*heads) if new_head and heads else mismatch
    if mismatch.fitting == 0 or not needed.complete:
        raise CheckpointError(
            f"{name} does not fit the model: {explain(mismatch, checkpoint)}"
        )
    return mismatch
