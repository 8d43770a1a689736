"""Public weights by name: ``fetch('paddledetection_litehrnet_18_coco_256x192')``.

The table is ``configs/zoo.yml``, a metafile as ``mim`` reads them. docs/zoo.md shows
it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from difflib import get_close_matches
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import urlopen

import torch
import yaml
from rich.progress import track

from .reading import CheckpointError

PACKAGE = Path(__file__).resolve().parents[1]

#: Bytes that are read at a time.
CHUNK = 1 << 16


def folder() -> Path:
    """Where ``configs`` lies: in the wheel, or beside the package in a checkout."""
    installed = PACKAGE / ".mim"
    return installed if (installed / "configs/zoo.yml").is_file() else PACKAGE.parent


def models() -> dict[str, dict[str, Any]]:
    """List the zoo: the entries of its metafile by their names."""
    text = (folder() / "configs/zoo.yml").read_text(encoding="utf-8")
    return {entry["Name"]: entry for entry in yaml.safe_load(text)["Models"]}


def fetch(name: str) -> tuple[Path, Path]:
    """Find the config of a model of the zoo, and download its weights once.

    Args:
        name: Its name in docs/zoo.md.

    Returns:
        The config, and the weights in PyTorch's cache, ``$TORCH_HOME/hub/checkpoints``.

    Raises:
        CheckpointError: If the name is unknown or the weights cannot be had.
    """
    known = models()
    if name not in known:
        close = ", ".join(get_close_matches(name, known, cutoff=0.3)) or ", ".join(
            known
        )
        raise CheckpointError(f"{name!r} is not in the zoo (docs/zoo.md): {close}")
    url = known[name]["Weights"]
    suffix = Path(urlparse(url).path).suffix
    return folder() / known[name]["Config"], download(url, f"{name}{suffix}")


def published_hash(url: str) -> str:
    """The start of a file's SHA-256 that OpenMMLab puts into its name; '' if none."""
    found = re.search(r"-([0-9a-f]{8})[._]", Path(urlparse(url).path).name)
    return found[1] if found else ""


def download(url: str, name: str) -> Path:
    """Download a file, unless it is there. What is there has always come whole.

    Args:
        url: Its address. A hash in its name is checked, see :func:`published_hash`.
        name: Its name in PyTorch's cache, ``$TORCH_HOME/hub/checkpoints``.

    Returns:
        Where it is.

    Raises:
        CheckpointError: If it cannot be had, ends early, is not what its name says or
            finds no room.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.is_file():
        return path
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with part.open("wb") as file:
            for chunk in _chunks(url, path.name):
                digest.update(chunk)
                file.write(chunk)
        if not digest.hexdigest().startswith(published_hash(url)):
            raise OSError(
                f"its SHA-256 begins with {digest.hexdigest()[:8]}, its name says "
                f"{published_hash(url)}"
            )
        part.replace(path)
    except (OSError, HTTPException) as error:
        raise CheckpointError(
            f"{url} cannot be downloaded: {error}. Download it elsewhere and put it at "
            f"{path}, or give a file of weights by its path"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def _chunks(url: str, name: str) -> Iterator[bytes]:
    """Read from an address, with a progress bar.

    Raises:
        OSError: If it cannot be reached or ends early.
    """
    with urlopen(url, timeout=30) as response:
        size = int(response.headers.get("Content-Length") or 0)
        total = -(-size // CHUNK) or None
        chunks = iter(lambda: response.read(CHUNK), b"")
        read = 0
        for chunk in track(chunks, f"Downloading {name}", total=total):
            read += len(chunk)
            yield chunk
    if size and read != size:
        raise OSError(f"the connection ended after {read} of {size} bytes")
