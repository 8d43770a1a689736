"""Write checkpoints for others: weights only, and never over an existing file."""

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

from .reading import load_checkpoint, weights_of


def plain(value: object) -> object:
    """Turn arrays and tuples into lists, so that they are data for every loader."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def weights_only(checkpoint: Any, weights: Mapping[str, Tensor]) -> dict:
    """Make a checkpoint of what inference needs.

    Args:
        checkpoint: What :func:`load_checkpoint` gives.
        weights: Its weights, or what became of them.

    Returns:
        A dict with 'state_dict' (each tensor with storage of its own) and 'meta' (what
        the data set is: keypoints or classes, if the checkpoint says so).
    """
    meta = checkpoint.get("meta") if isinstance(checkpoint, Mapping) else None
    dataset = meta.get("dataset_meta") if isinstance(meta, Mapping) else None
    return dict(
        state_dict={name: value.detach().clone() for name, value in weights.items()},
        meta={} if dataset is None else dict(dataset_meta=plain(dataset)),
    )


def write_new(content: bytes, path: Path) -> Path:
    """Write a file that must not exist yet.

    Raises:
        FileExistsError: If it does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(path, "xb") as file:
            file.write(content)
    except FileExistsError:
        raise FileExistsError(
            f"{path} exists and is never overwritten: give another name or remove it"
        ) from None
    return path


def to_bytes(checkpoint: dict) -> bytes:
    """The file of a checkpoint; the same weights give the same bytes."""
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    return buffer.getvalue()


def publish(source: str | Path, stem: str | Path, day: date | None = None) -> Path:
    """Write a checkpoint for others: weights only, the hash in its name.

    Args:
        source: Checkpoint of a training run, or a converted one.
        stem: File to write, without date, hash and suffix.
        day: Date for the name; today if None.

    Returns:
        The file, ``STEM_YYYYMMDD-HASH.pth``, HASH being the first 8 hexadecimal digits
        of its SHA-256: the form by which ``torch.hub`` and MMEngine check a download.

    Raises:
        FileExistsError: If the file exists.
        IsADirectoryError: If ``stem`` is a folder.
        ValueError: If the checkpoint is missing, holds no weights or more than data.
    """
    stem = Path(stem)
    if stem.is_dir():
        raise IsADirectoryError(
            f"{stem} is a folder: give the start of the file's name too, as "
            f"{stem / Path(source).stem}"
        )
    checkpoint = load_checkpoint(source)
    weights = weights_of(checkpoint, str(source))
    content = to_bytes(weights_only(checkpoint, weights))
    name = stem.name.removesuffix(".pth")
    day = day or date.today()
    name = f"{name}_{day:%Y%m%d}-{sha256(content).hexdigest()[:8]}.pth"
    return write_new(content, stem.with_name(name))
