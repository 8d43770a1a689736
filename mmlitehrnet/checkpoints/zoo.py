"""Public weights by name: ``fetch('paddledetection_litehrnet_18_coco_256x192')``.

The table is ``configs/zoo.yml``, a metafile as ``mim`` reads them. docs/zoo.md shows
it.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from difflib import get_close_matches
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlparse

import torch
import yaml

from .reading import CheckpointError, load_checkpoint

PACKAGE = Path(__file__).resolve().parents[1]
#: Seconds that a server may stay silent.
TIMEOUT = 30.0


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
        close = ", ".join(get_close_matches(name, known, cutoff=0.3) or known)
        raise CheckpointError(f"{name!r} is not in the zoo (docs/zoo.md): {close}")
    url = known[name]["Weights"]
    suffix = Path(urlparse(url).path).suffix
    published = [published_name(entry["Weights"]) for entry in known.values()]
    names = [f"{name}{suffix}"]
    if published.count(published_name(url)) == 1:  # Several are model.safetensors.
        names.append(published_name(url))
    return folder() / known[name]["Config"], download(url, *names)


def published_name(url: str) -> str:
    """The name of a file at its address."""
    return Path(urlparse(url).path).name


def published_hash(url: str) -> str | None:
    """The start of a file's SHA-256 that OpenMMLab puts into its name, if any."""
    # Eight digits that begin with 20 are a date.
    found = re.search(r"-(?!20\d{6})([0-9a-f]{8})[._]", published_name(url))
    return found[1] if found else None


def download(url: str, name: str, *other_names: str) -> Path:
    """Download a file of weights, unless it is there. What is there can be read.

    Args:
        url: Its address. A hash in its name is checked, see :func:`published_hash`.
        name: Its name in PyTorch's cache, ``$TORCH_HOME/hub/checkpoints``.
        *other_names: Names that it may have there, too.

    Returns:
        Where it is.

    Raises:
        CheckpointError: If it cannot be had, ends early, is not what its name says or
            finds no room.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    for there in (path, *map(path.with_name, other_names)):
        if there.is_file():
            return there
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent) as folder:
            part = Path(folder) / name
            with _timeout(TIMEOUT):  # torch.hub has none
                torch.hub.download_url_to_file(url, str(part), published_hash(url))
            load_checkpoint(part, raw=True)  # It is not, if it ends early.
            part.replace(path)
    # RuntimeError: another hash.
    except (OSError, HTTPException, RuntimeError, CheckpointError) as error:
        raise CheckpointError(
            f"{url} cannot be downloaded: {error}. Download it elsewhere and put it at "
            f"{path}, or give a file of weights by its path"
        ) from error
    return path


@contextlib.contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
