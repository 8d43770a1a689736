"""Serve ``mmcv._ext`` and ``xtcocotools`` where they are missing or cannot be loaded.

``mmlitehrnet_standins`` serves them where they are missing. An xtcocotools that was
built for NumPy 1, as its wheels are, cannot be loaded with NumPy 2: it counts as
missing here. Programs that import MMPose's data sets before ``mmlitehrnet`` get NumPy's
error (docs/faq.md).
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

from mmlitehrnet_standins import Finder

COMPILED = "xtcocotools._mask"


def replace_unloadable() -> None:
    """Let the stand-in for xtcocotools come first, if the real one cannot be loaded."""
    if "xtcocotools" in sys.modules:
        return
    real = find_spec("xtcocotools")
    if real is None or real == Finder.find_spec("xtcocotools"):
        return
    try:
        import_module(COMPILED)
    except (ImportError, ValueError):
        for name in [n for n in sys.modules if n.split(".")[0] == "xtcocotools"]:
            del sys.modules[name]
        sys.meta_path.insert(0, Finder)
