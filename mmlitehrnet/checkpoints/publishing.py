"""Write files of weights: nothing but weights, never over an existing file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .reading import meta_of


def write_weights(
    weights: Mapping[str, Tensor], path: Path, checkpoint: Any = None
) -> Path:
    """Write weights to a file that must not exist yet.

    Args:
        weights: Tensors by name.
        path: The file.
        checkpoint: The checkpoint that they are from, for what the data set is.

    Returns:
        The file.

    Raises:
        FileExistsError: If it exists.
    """
    return _write_new(_to_bytes(weights, checkpoint), path)


def publish(
    weights: Mapping[str, Tensor],
    stem: Path,
    checkpoint: Any = None,
    day: date | None = None,
) -> Path:
    """Write weights for others, to a file that names its date and its hash.

    Args:
        weights: Tensors by name.
        stem: The file, without date, hash and suffix.
        checkpoint: The checkpoint that they are from, for what the data set is.
        day: Date for the name; today if None.

    Returns:
        The file, ``STEM_YYYYMMDD-HASH.pth``, HASH being the first 8 hexadecimal digits
        of its SHA-256: so ``torch.hub`` and MMEngine can check a download.

    Raises:
        FileExistsError: If the file exists.
        IsADirectoryError: If ``stem`` is a folder.
    """
    if stem.is_dir():
        raise IsADirectoryError(
            f"{stem} is a folder: give the start of the file's name too, as "
            f"{stem / 'litehrnet_18_coco_256x192'}"
        )
    content = _to_bytes(weights, checkpoint)
    name = stem.name.removesuffix(".pth")
    day = day or date.today()
    name = f"{name}_{day:%Y%m%d}-{sha256(content).hexdigest()[:8]}.pth"
    return _write_new(content, stem.with_name(name))


def _to_bytes(weights: Mapping[str, Tensor], checkpoint: Any) -> bytes:
    """The content of a file: each tensor with storage of its own, and the data set.

    The same weights give the same bytes.
    """
    dataset = meta_of(checkpoint).get("dataset_meta")
    meta = {} if dataset is None else dict(dataset_meta=to_builtin(dataset))
    state_dict = {name: value.detach().clone() for name, value in weights.items()}
    buffer = io.BytesIO()
    torch.save(dict(state_dict=state_dict, meta=meta), buffer)
    return buffer.getvalue()


def to_builtin(value: object) -> object:
    """Turn arrays and tuples into lists, which weights-only loading takes."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {to_builtin(key): to_builtin(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_builtin(item) for item in value]
    return value


def _write_new(content: bytes, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(path, "xb") as file:
            file.write(content)
    except FileExistsError:
        raise FileExistsError(
            f"{path} exists and is never overwritten: give another name or remove it"
        ) from None
    return path
