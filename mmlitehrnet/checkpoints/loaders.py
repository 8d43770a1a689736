"""What MMEngine's ``load_from``, ``init_cfg``, ``resume`` and ``--checkpoint`` take.

MMEngine picks a loader by a pattern of the path. Its own for files and addresses
unpickle by ``torch.load``: that runs what a file says before PyTorch 2.6, and refuses
MMEngine's own checkpoints since.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from mmengine.fileio import get_local_path
from mmengine.runner import CheckpointLoader

from .reading import load_checkpoint
from .zoo import download, fetch, published_hash, published_name


def _load(path: str | Path, map_location: Any) -> Any:
    checkpoint = load_checkpoint(path, map_location=map_location or "cpu")
    # MMEngine saves a config's text as 'cfg' and runs 'config' when it resumes.
    if isinstance(checkpoint, dict) and isinstance(checkpoint.get("meta"), dict):
        checkpoint["meta"].pop("config", None)
    return checkpoint


@CheckpointLoader.register_scheme(
    prefixes=["", r"(\S+\:)?s3://", r"(\S+\:)?petrel://"], force=True
)
def load_from_file(filename: str, map_location: Any = None) -> Any:
    """Read a file of any format, of a disk or a storage that MMEngine knows.

    Args:
        filename: The file.
        map_location: Where tensors go; the CPU if None.

    Raises:
        CheckpointError: If it cannot be used.
    """
    with get_local_path(os.path.expanduser(filename)) as path:
        return _load(path, map_location)


@CheckpointLoader.register_scheme(prefixes=["http://", "https://"], force=True)
def load_from_http(filename: str, map_location: Any = None) -> Any:
    """Download a file once, and read it.

    Args:
        filename: Its address.
        map_location: Where tensors go; the CPU if None.

    Raises:
        CheckpointError: If it cannot be had or used.
    """
    name = published_name(filename)
    if not published_hash(filename):  # Many addresses end in model.safetensors.
        name = f"{sha256(filename.encode()).hexdigest()[:8]}_{name}"
    return _load(download(filename, name), map_location)


@CheckpointLoader.register_scheme(prefixes="zoo:")
def load_from_zoo(filename: str, map_location: Any = None) -> Any:
    """Download a model of the zoo once, and read it.

    Args:
        filename: ``zoo:`` and its name in docs/zoo.md.
        map_location: Where tensors go; the CPU if None.

    Raises:
        CheckpointError: If it cannot be had or used.
    """
    return _load(fetch(filename.removeprefix("zoo:"))[1], map_location)
