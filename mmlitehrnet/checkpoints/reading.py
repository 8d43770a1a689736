"""Open a file of weights of any format, without running code from it.

The formats are PyTorch's two, ``.pdparams`` of PaddlePaddle, which is a pickle of
arrays, and ``.safetensors``. What a file holds says which it is, not its name.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log
from safetensors.torch import load as load_safetensors
from torch import Tensor

from .converting import convert
from .unpickling import safe_pickle

#: What files of PyTorch begin with since 1.6, and what earlier ones have there.
ZIP = b"PK\x03\x04"
MAGIC = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why and what to do."""


def read_file(path: str | Path) -> bytes:
    """Read a checkpoint, and check that it is whole, by the check sums that it carries.

    PyTorch does not look at them: it loads weights with flipped bits as they are. Files
    of the format before PyTorch 1.6, ``.pdparams`` and ``.safetensors`` carry none.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        CheckpointError: If it is missing, empty, truncated, altered or no checkpoint.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"{path}: there is no such file")
    data = Path(path).read_bytes()
    if not data:
        raise CheckpointError(f"{path} is empty")
    if not data.startswith(ZIP):
        if data[:1] != b"\x80" and not _is_safetensors(data):  # nor a pickle
            raise CheckpointError(
                f"{path} is no checkpoint of PyTorch, .pdparams or .safetensors"
            )
        return data
    try:
        with ZipFile(BytesIO(data)) as archive:
            damaged = archive.testzip()
        # As PyTorch itself sees them: it would load a program.
        records = torch._C.PyTorchFileReader(BytesIO(data)).get_all_records()
    except Exception as error:  # A damaged archive can fail in any way.
        raise CheckpointError(f"{path} is truncated or damaged ({error})") from error
    if damaged is not None:
        raise CheckpointError(f"{path} is damaged: {damaged} was altered")
    if "constants.pkl" in records:
        raise CheckpointError(
            f"{path} is no checkpoint but a program (TorchScript): save its state_dict"
        )
    return data


def load_checkpoint(
    path: str | Path, raw: bool = False, map_location: Any = "cpu"
) -> Any:
    """Load a checkpoint without running code from it.

    What is not data in it is left out, and a warning names it.

    Args:
        path: A file of PyTorch, ``.pdparams`` or ``.safetensors``.
        raw: Whether weights of the last two keep the names of the code that saved
            them; otherwise they get those of the models here.
        map_location: Where tensors of PyTorch go, as of ``torch.load``.

    Returns:
        What was saved: usually a dict with 'state_dict' and 'meta'.

    Raises:
        CheckpointError: If the file is missing, damaged or no checkpoint.
    """
    data = read_file(path)
    unknown: set[str] = set()
    module = safe_pickle(unknown)
    try:
        if data.startswith(ZIP) or MAGIC in data[:64]:
            # From memory: PyTorch would unpack a file that is also an archive of tar.
            checkpoint = torch.load(
                BytesIO(data), map_location, pickle_module=module, weights_only=False
            )
        else:
            if _is_safetensors(data):
                weights = load_safetensors(data)
            else:
                weights = _arrays(module.load(BytesIO(data)))
            checkpoint = dict(state_dict=weights if raw else convert(weights).weights)
        _restore_log(checkpoint)
    except Exception as error:  # A malformed file can fail in any way.
        raise CheckpointError(
            f"{path} cannot be read ({type(error).__name__}: {error})"
        ) from error
    if unknown:
        print_log(
            f"{path}: left out what is not data: {', '.join(sorted(unknown))}",
            logger="current",
            level=logging.WARNING,
        )
    return checkpoint


def _restore_log(checkpoint: Any) -> None:
    """Make of a log's histories again what :func:`.publishing.make_plain` found."""
    hub = checkpoint.get("message_hub") if isinstance(checkpoint, dict) else None
    scalars = hub.get("log_scalars", {}) if isinstance(hub, dict) else {}
    for name, log in scalars.items():
        if isinstance(log, dict):
            histories = (
                log[x].numpy(force=True) for x in ("log_history", "count_history")
            )
            scalars[name] = HistoryBuffer(*histories, log["max_length"])


def _is_safetensors(data: bytes) -> bool:
    return data[8:9] == b"{"  # behind the length of its header


def _arrays(content: object) -> dict[str, Tensor]:
    """The arrays of numbers of a ``.pdparams``."""
    if not isinstance(content, dict):
        raise ValueError("it is no dict of arrays as paddle.save writes it")
    return {
        name: torch.tensor(value)
        for name, value in content.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
    }


def weights_of(
    checkpoint: Any, name: str | Path = "the checkpoint"
) -> dict[str, Tensor]:
    """Return the weights of a checkpoint, without the ``module.`` of parallel training.

    Args:
        checkpoint: What :func:`load_checkpoint` gives: a dict with a 'state_dict', or
            the weights themselves.
        name: Name of the checkpoint, for the message.

    Raises:
        CheckpointError: If there are none.
    """
    found = checkpoint
    if isinstance(checkpoint, Mapping):
        state = checkpoint.get("state_dict", checkpoint)
        tensors = {
            key.removeprefix("module."): value
            for key, value in (state.items() if isinstance(state, Mapping) else ())
            if isinstance(value, Tensor)
        }
        if tensors:
            return tensors
        found = sorted(map(str, checkpoint))
    raise CheckpointError(
        f"{name} holds no weights, but {found}: a dict with a 'state_dict', or a state "
        "dict itself, is needed"
    )


def meta_of(checkpoint: Any) -> Mapping[str, Any]:
    """Return what a checkpoint of MMEngine says about its run; {} if nothing."""
    meta = checkpoint.get("meta") if isinstance(checkpoint, Mapping) else None
    return meta if isinstance(meta, Mapping) else {}
