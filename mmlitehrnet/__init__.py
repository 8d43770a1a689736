"""Lightweight high-resolution backbones for MMPose, MMSegmentation and their family.

Importing the package registers the backbones for all libraries of OpenMMLab; in a
config::

    custom_imports = dict(imports=['mmlitehrnet'], allow_failed_imports=False)
"""

# compat comes first: it says what is missing. engine registers hooks and wrappers.
from . import compat, engine  # noqa: F401
from .compat import allow_compiling, replace_unloadable
from .engine.hooks import ChannelsLastHook
from .models.backbones import DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet
from .registry import register_all
from .scope import allow_inheritance
from .version import __version__

allow_compiling()
replace_unloadable()
register_all()
allow_inheritance()

__all__ = [
    "ChannelsLastHook",
    "DiteHRNet",
    "LiteHRNet",
    "NaiveLiteHRNet",
    "SmallHRNet",
    "__version__",
]
