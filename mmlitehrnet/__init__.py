"""Lightweight high-resolution backbones for MMPose and MMSegmentation.

Importing the package registers the backbones in the registries of the packages
that are installed; in a config::

    custom_imports = dict(imports=['mmlitehrnet'], allow_failed_imports=False)
"""

from .backbones import DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet
from .registration import register_all
from .version import __version__

register_all()

__all__ = [
    "DiteHRNet",
    "LiteHRNet",
    "NaiveLiteHRNet",
    "SmallHRNet",
    "__version__",
]
