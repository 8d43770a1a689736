"""What MMEngine's ``load_from``, ``init_cfg``, ``resume`` and ``--checkpoint`` take.

MMEngine picks a loader by a pattern of the path. Its own for files and addresses
unpickle by ``torch.load``: that runs what a file says before PyTorch 2.6, and refuses
MMEngine's own checkpoints since.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from hashlib import sha256
from typing import Any

from mmengine.fileio import get_local_path
from mmengine.runner import CheckpointLoader

from .reading import load_checkpoint
from .zoo import download, fetch, published_hash, published_name

#: Files, of a disk or a storage that MMEngine knows; addresses; the zoo.
PREFIXES = [
    "", r"(\S+\:)?s3://", r"(\S+\:)?petrel://", "http://", "https://", "zoo:"
]  # fmt: skip


@CheckpointLoader.register_scheme(prefixes=PREFIXES, force=True)
def load_from(filename: str, map_location: Any = None) -> Any:
    """Read a file of any format. What has to be downloaded is downloaded once.

    Args:
        filename: A file, an address, or ``zoo:`` and a name in docs/zoo.md.
        map_location: Where tensors go; the CPU if None.

    Raises:
        CheckpointError: If it cannot be had or used.
    """
    place: Any
    if filename.startswith("zoo:"):
        place = nullcontext(fetch(filename.removeprefix("zoo:"))[1])
    elif filename.startswith(("http://", "https://")):
        name = published_name(filename)
        if not published_hash(filename):  # Many addresses end in model.safetensors.
            name = f"{sha256(filename.encode()).hexdigest()[:8]}_{name}"
        place = nullcontext(download(filename, name))
    else:
        place = get_local_path(os.path.expanduser(filename))
    with place as path:
        checkpoint = load_checkpoint(path, map_location=map_location or "cpu")
    # MMEngine saves a config's text as 'cfg' and runs 'config' when it resumes.
    if isinstance(checkpoint, dict) and isinstance(checkpoint.get("meta"), dict):
        checkpoint["meta"].pop("config", None)
    return checkpoint
