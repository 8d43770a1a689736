"""Give ``pkgutil`` back ``find_loader``, which CPython 3.14 has no more.

For MMEngine 0.10 and mmcv 2.1, which ask it only whether mmcv's operators are there.
Can go when MMEngine does not. Nothing here was tested on CPython 3.14.
"""

import pkgutil
from importlib.util import find_spec

if not hasattr(pkgutil, "find_loader"):
    pkgutil.find_loader = find_spec  # type: ignore[assignment]
