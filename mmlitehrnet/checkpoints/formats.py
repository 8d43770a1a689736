"""Formats of other libraries: ``.pdparams`` of PaddlePaddle, ``.safetensors``.

Both are told by what a file holds, not by its name. PaddlePaddle is not needed, and no
file runs code.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from .unpickling import GLOBALS, NUMPY_MODULES, SafeUnpickler

#: Number at the start of PyTorch's files before 1.6, which are pickles, too.
TORCH_MAGIC = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")

#: What PaddlePaddle keeps in a file of weights besides them: its names of them.
PADDLE_NAMES = "StructuredToParameterName@@"

#: What the pickle of a ``.pdparams`` may name: what NumPy makes an array of.
PADDLE_GLOBALS = frozenset(
    f"{module}.{name}"
    for module, name in (
        *((module, "_reconstruct") for module in NUMPY_MODULES),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),  # Bytes, in protocol 2.
    )
)


class ArrayUnpickler(SafeUnpickler):
    """Makes NumPy's arrays, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Look up what a file names.

        Raises:
            pickle.UnpicklingError: If arrays do not need it.
        """
        if f"{module}.{name}" not in PADDLE_GLOBALS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return GLOBALS[f"{module}.{name}"]


def read_pdparams(path: Path) -> dict[str, Tensor]:
    """Read what ``paddle.save`` wrote of a state dict.

    Args:
        path: The file.

    Raises:
        pickle.UnpicklingError: If it names anything but arrays.
        ValueError: If it is damaged or holds anything but arrays.
    """
    try:
        with path.open("rb") as file:
            content = ArrayUnpickler(file).load()
            end = file.read(1) == b""
    except pickle.UnpicklingError as error:
        if "truncated" in str(error):
            raise ValueError(f"it is truncated: {error}") from error
        raise
    except Exception as error:  # A malformed pickle can fail in any way.
        raise ValueError(f"it is truncated or damaged: {error!r}") from error
    if not isinstance(content, dict) or not end:
        raise ValueError("it is no dict of arrays as paddle.save writes it")
    content.pop(PADDLE_NAMES, None)
    for name, value in content.items():
        is_array = isinstance(value, np.ndarray) and value.dtype.kind not in "US"
        if not isinstance(name, str) or not is_array:
            raise ValueError(
                f"what it holds under {name!r} is not a named array of numbers, but a "
                f"{type(value).__name__}"
            )
    return {
        name: torch.tensor(value.astype(value.dtype.newbyteorder("=")))
        for name, value in content.items()
    }


def foreign_reader(path: Path) -> Callable[[Path], dict[str, Tensor]] | None:
    """Find the function that reads a file; None if its format is not of this module.

    Args:
        path: A file that is there.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if start[8:9] == b"{":
        return load_file
    if start[:1] == b"\x80" and TORCH_MAGIC not in start:
        return read_pdparams
    return None
