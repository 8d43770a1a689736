"""What MMEngine's ``load_from``, ``init_cfg`` and ``--checkpoint`` take besides.

MMEngine picks a loader by a pattern of the path.
"""

from __future__ import annotations

from typing import Any

from mmengine.runner import CheckpointLoader

from .reading import load_checkpoint
from .zoo import fetch


@CheckpointLoader.register_scheme(prefixes=r"(?!\w+://).*\.(pdparams|safetensors)$")
def load_from_other_format(filename: str, map_location: Any = None) -> Any:
    """Read a file of another library, under the names of the models here.

    Args:
        filename: The file.
        map_location: Not used: weights come on the CPU, and are copied from there.

    Raises:
        CheckpointError: If it cannot be used.
    """
    return load_checkpoint(filename)


@CheckpointLoader.register_scheme(prefixes="zoo:")
def load_from_zoo(filename: str, map_location: Any = None) -> Any:
    """Download a model of the zoo once, and read it.

    Args:
        filename: ``zoo:`` and its name in docs/zoo.md.
        map_location: Not used, as above.

    Raises:
        CheckpointError: If it cannot be had or used.
    """
    return load_checkpoint(fetch(filename.removeprefix("zoo:"))[1])
