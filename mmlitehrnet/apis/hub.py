"""Models by the names that the metafiles of the installed libraries give them."""

from __future__ import annotations

import re
from difflib import get_close_matches
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import urlopen

import torch
from mmengine.infer import BaseInferencer


def fetch(name: str, *scopes: str) -> tuple[Path, Path]:
    """Find the config of a published model, and download its weights once.

    Args:
        name: The model's name, or another one that its metafile gives.
        *scopes: Packages to look in, as 'mmpose'.

    Returns:
        The config, and the weights in PyTorch's cache, ``$TORCH_HOME/hub/checkpoints``.

    Raises:
        ValueError: If no metafile names it, or the weights cannot be downloaded.
    """
    known = {}
    for scope in filter(find_spec, scopes):  # Those that are installed.
        folder = Path(BaseInferencer._get_repo_or_mim_dir(scope))
        for model in BaseInferencer._get_models_from_metafile(str(folder)):
            if model.get("Config") and model.get("Weights"):
                alias = model.get("Alias") or []
                names = [alias] if isinstance(alias, str) else alias
                found = folder / model["Config"], model["Weights"]
                known.update(dict.fromkeys([model["Name"], *names], found))
    if name not in known:
        close = (
            ", ".join(get_close_matches(name, known, cutoff=0.3)) or "none is like it"
        )
        raise ValueError(
            f"model {name!r} is not in the metafiles of {' and '.join(scopes)}: {close}"
        )
    config, url = known[name]
    return config, download(url)


def download(url: str) -> Path:
    """Download a file of weights into PyTorch's cache, unless it is there.

    Args:
        url: Its address. OpenMMLab's have the start of the file's SHA-256 in the name,
            which is checked.

    Raises:
        ValueError: If it cannot be had, is not what its name says or finds no room.
    """
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.exists():
        return path
    published = re.search(r"-([0-9a-f]{8})[._]", name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urlopen(url) as answer:
            size = answer.length
        torch.hub.download_url_to_file(url, str(path), published and published[1])
        if size not in (None, path.stat().st_size):  # PyTorch takes what it gets.
            path.unlink()
            raise RuntimeError(f"the connection was cut before {size} bytes had come")
    except (OSError, HTTPException, RuntimeError) as error:  # Another hash.
        for part in path.parent.glob(f"{name}.*.partial"):  # PyTorch's, of a full disk
            part.unlink()
        raise ValueError(
            f"{url} cannot be downloaded to {path}: {error}; put the file there, or "
            "give a config and a checkpoint"
        ) from error
    return path
