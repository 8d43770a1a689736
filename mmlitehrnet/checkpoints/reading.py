"""Read files of weights without running code from them.

A checkpoint of PyTorch is a pickle, and unpickling can call anything. What it may call
here stands in :mod:`.unpickling`; a file that asks for more is refused. (Without that,
``torch.load(weights_only=True)`` refuses every checkpoint of MMEngine, because of the
log that it carries.)
"""

from __future__ import annotations

import pickle
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .conversion import convert
from .formats import foreign_reader
from .unpickling import SAFE_PICKLE


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why and what to do."""


class UntrustedCheckpointError(CheckpointError):
    """A checkpoint that holds more than weights, which is not unpickled untrusted."""


def check_file(path: str | Path) -> None:
    """Check that a checkpoint file is whole, by the check sums that it carries.

    PyTorch does not look at them: it loads weights with flipped bits as they are.
    Files of the format before PyTorch 1.6, ``.pdparams`` and ``.safetensors`` carry
    none, and are only opened.

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
        elif start[:1] != b"\x80" and foreign_reader(path) is None:  # no pickle
            raise CheckpointError(
                f"{path} is no checkpoint of PyTorch, .pdparams or .safetensors"
            )
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise CheckpointError(f"{path} is truncated or damaged ({error})") from error


def load_checkpoint(path: str | Path, trust: bool = False, raw: bool = False) -> Any:
    """Load a checkpoint to the CPU without running code from it.

    Args:
        path: File of a checkpoint: of PyTorch, ``.pdparams`` or ``.safetensors``.
        trust: Whether to unpickle whatever a file of PyTorch holds; this can run any
            code.
        raw: Whether weights of ``.pdparams`` and ``.safetensors`` keep the names of
            the code that saved them; otherwise they get those of the models here.

    Returns:
        What was saved: usually a dict with 'state_dict' and 'meta'.

    Raises:
        CheckpointError: If the file is missing or damaged.
        UntrustedCheckpointError: If it holds objects other than tensors, arrays,
            numbers, strings and containers of them.
    """
    check_file(path)
    reader = foreign_reader(Path(path))
    if reader is None and trust:
        return torch.load(path, map_location="cpu", weights_only=False)
    if reader is None and (tarfile.is_tarfile(path) or _is_torchscript(path)):
        raise CheckpointError(
            f"{path} is no checkpoint but a program (TorchScript) or of a format that "
            "is no longer read: save its state_dict with torch.save"
        )
    try:
        if reader is not None:
            weights = reader(Path(path))
            return dict(state_dict=weights if raw else convert(weights).weights)
        return torch.load(
            path, map_location="cpu", pickle_module=SAFE_PICKLE, weights_only=False
        )
    except pickle.UnpicklingError as error:
        raise UntrustedCheckpointError(
            f"{path} holds more than weights: {error}. Nothing of it was run. Save its "
            "state_dict alone where it comes from"
        ) from error
    except Exception as error:
        # A malformed pickle can fail in any way.
        what = error if reader is not None else repr(error)
        raise CheckpointError(f"{path} cannot be read ({what})") from error


def _is_torchscript(path: str | Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def state_dict_of(
    checkpoint: Any, name: str | Path = "the checkpoint"
) -> dict[str, Tensor]:
    """Return the weights of a checkpoint under the names that it has for them.

    Args:
        checkpoint: What :func:`load_checkpoint` gives: a dict with a 'state_dict', or
            the weights themselves.
        name: Name of the checkpoint, for the message.

    Raises:
        CheckpointError: If there are none.
    """
    if isinstance(checkpoint, Mapping):
        state = checkpoint.get("state_dict", checkpoint)
        if isinstance(state, Mapping):
            weights = {
                key: value for key, value in state.items() if isinstance(value, Tensor)
            }
            if weights:
                return weights
    holds = sorted(map(str, checkpoint)) if isinstance(checkpoint, Mapping) else None
    raise CheckpointError(
        f"{name} holds no weights, but {holds or type(checkpoint).__name__}: a dict "
        "with a 'state_dict', or a state dict itself, is needed"
    )


def weights_of(
    checkpoint: Any, name: str | Path = "the checkpoint"
) -> dict[str, Tensor]:
    """Return the weights of a checkpoint under the names that the model has for them.

    The same as :func:`state_dict_of`, with the ``module.`` of parallel training taken
    off.
    """
    state = state_dict_of(checkpoint, name)
    return {key.removeprefix("module."): value for key, value in state.items()}


def meta_of(checkpoint: Any) -> Mapping[str, Any]:
    """Return what a checkpoint of MMEngine says about its run; {} if nothing."""
    meta = checkpoint.get("meta") if isinstance(checkpoint, Mapping) else None
    return meta if isinstance(meta, Mapping) else {}
