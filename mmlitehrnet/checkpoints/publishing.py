"""Write files of weights: nothing but weights, never over an existing file.

And make what a training saves loadable by others.
"""

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
    weights: Mapping[str, Tensor],
    path: Path,
    checkpoint: Any = None,
    publish: bool = False,
) -> Path:
    """Write weights to a file that must not exist yet.

    Args:
        weights: Tensors by name; the same ones give the same bytes.
        path: The file.
        checkpoint: The checkpoint that they are from, for what the data set is.
        publish: Whether to write it for others, as ``PATH_YYYYMMDD-HASH.pth``: the day,
            and the first 8 hexadecimal digits of the file's SHA-256, by which
            ``torch.hub`` and MMEngine can check a download.

    Returns:
        The file.

    Raises:
        FileExistsError: If it exists.
        IsADirectoryError: If ``path`` is a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(
            f"{path} is a folder: give the file's name too, as "
            f"{path / 'litehrnet_18_coco_256x192'}"
        )
    dataset = meta_of(checkpoint).get("dataset_meta")
    meta = {} if dataset is None else dict(dataset_meta=to_builtin(dataset))
    # Each with storage of its own: a slice would bring what it is cut from.
    state_dict = {name: value.detach().clone() for name, value in weights.items()}
    buffer = io.BytesIO()
    torch.save(dict(state_dict=state_dict, meta=meta), buffer)
    content = buffer.getvalue()
    if publish:
        digits = sha256(content).hexdigest()[:8]
        name = f"{path.name.removesuffix('.pth')}_{date.today():%Y%m%d}-{digits}.pth"
        path = path.with_name(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(path, "xb") as file:
            file.write(content)
    except FileExistsError:
        raise FileExistsError(
            f"{path} exists and is never overwritten: give another name or remove it"
        ) from None
    return path


def make_plain(checkpoint: dict[str, Any]) -> None:
    """Let weights-only loading take what MMEngine is about to save.

    PyTorch, from 2.6 on, loads tensors, numbers, texts and containers alone. Numbers of
    NumPy become Python's, arrays that describe the data set lists, and the log's
    histories tensors, which :func:`load_checkpoint` turns back.
    """
    hub = checkpoint["message_hub"]
    for part in (checkpoint["meta"], hub["runtime_info"]):
        for key, value in part.items():
            if key == "dataset_meta" or isinstance(value, np.generic):
                part[key] = to_builtin(value)
    for name, log in hub["log_scalars"].items():
        values, counts = map(torch.from_numpy, log.data)
        hub["log_scalars"][name] = dict(
            log_history=values, count_history=counts, max_length=log.max_length
        )


def to_builtin(value: object) -> object:
    """Turn arrays into lists and numbers of NumPy into Python's."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {to_builtin(key): to_builtin(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(to_builtin, value))
    return value
