"""Give ``pkgutil`` back ``find_loader``, which CPython 3.14 has no more.

For MMEngine 0.10 and mmcv 2.1, which ask it whether mmcv's operators are there. Can go
when MMEngine does not. Nothing here was tested on CPython 3.14.
"""

from __future__ import annotations

import pkgutil
from importlib.util import find_spec
from typing import Any


def find_loader(fullname: str) -> Any:
    """Find the loader of a module, or None if there is no such module."""
    try:
        spec = find_spec(fullname)
    except ModuleNotFoundError:
        return None
    return spec and spec.loader


if not hasattr(pkgutil, "find_loader"):
    pkgutil.find_loader = find_loader
