"""The networks: backbones, the layers they are made of, and a neck."""

from .backbones import DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet
from .necks import ConcatAveragePooling

__all__ = [
    "ConcatAveragePooling",
    "DiteHRNet",
    "LiteHRNet",
    "NaiveLiteHRNet",
    "SmallHRNet",
]
