"""Public weights by name: ``fetch('paddledetection_litehrnet_18_coco_256x192')``.

The table is ``configs/zoo.yml``, a metafile as ``mim`` reads them; :func:`page` makes
docs/zoo.md of it.
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
    path = Path(torch.hub.get_dir()) / "checkpoints" / f"{name}{suffix}"
    return folder() / known[name]["Config"], download(url, path)


def published_hash(url: str) -> str:
    """The start of a file's SHA-256 that OpenMMLab puts into its name; '' if none."""
    found = re.search(r"-([0-9a-f]{8})[._]", Path(urlparse(url).path).name)
    return found[1] if found else ""


def download(url: str, path: Path) -> Path:
    """Download a file, unless it is there. What is there has always come whole.

    Args:
        url: Its address. A hash in its name is checked, see :func:`published_hash`.
        path: Where to put it.

    Returns:
        The path.

    Raises:
        CheckpointError: If it cannot be had, ends early, is not what its name says or
            finds no room.
    """
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


#: Title of a table of docs/zoo.md -> publisher and boxes of its rows, and their figure.
TABLES = {
    "PaddleDetection: AP with the boxes of the ground truth": (
        "PaddleDetection", "ground truth", "AP"
    ),
    "OpenMMLab, COCO: AP with the boxes of a detector": ("OpenMMLab", "detector", "AP"),
    "OpenMMLab, MPII: mean PCKh@0.5": ("OpenMMLab", "ground truth", "Mean"),
    "timm, ImageNet-1k: for the start of a training": ("timm", None, None),
}  # fmt: skip

INTRODUCTION = """\
# The zoo: public weights of these networks

None of them was trained here. Figures, files and licences are their publishers'; AP is
of COCO val2017. Figures of boxes of the ground truth are not comparable with those of a
detector's boxes, which the papers print, too.

```python
from mmlitehrnet.checkpoints.zoo import fetch

config, weights = fetch("openmmlab_litehrnet_18_coco_256x192")
```

downloads a file once into PyTorch's cache, `$TORCH_HOME/hub/checkpoints`, and returns
the path of its config with it. A file that ends early, or is not what the hash in its
name says (OpenMMLab's have one, the others publish none), is never kept. All tools read
the files as they are, see [checkpoints](checkpoints.md). Without a network, put the
file where the message says, or give its path. Where MMEngine takes a checkpoint
(`load_from`, `init_cfg`, `mim test --checkpoint`), `zoo:NAME` stands for the file.

OpenMMLab's come by mim, too, under the names of the configs here:
`mim download mmlitehrnet --config litehrnet_18_coco_256x192 --dest DIR`.
`MMPoseInferencer(pose2d=NAME)` looks names up in MMPose's own metafiles only: give it
the two paths as `pose2d` and `pose2d_weights`.
"""


def page() -> str:
    """Write docs/zoo.md."""
    parts = [INTRODUCTION]
    for title, (publisher, boxes, metric) in TABLES.items():
        figure = f" {metric} |" if metric else ""
        lines = [
            f"## {title}\n",
            f"| name | network | trained on |{figure} file | licence |",
            f"| --- | --- | --- |{' --- |' if metric else ''} --- | --- |",
        ]
        for name, entry in models().items():
            meta, url = entry["Metadata"], entry["Weights"]
            if (meta["Publisher"], meta.get("Boxes")) != (publisher, boxes):
                continue
            value = ""
            if metric:
                value = f" {100 * entry['Results'][0]['Metrics'][metric]:.1f} |"
            lines.append(
                f"| `{name}` | {entry['In Collection']} | {meta['Training Data']} |"
                f"{value} [{Path(urlparse(url).path).suffix}]({url}) | "
                f"{meta['License']} |"
            )
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)
