"""The backbones: one file for each paper, and what they share."""

from .dite_hrnet import DiteHRNet
from .lite_hrnet import LiteHRNet, NaiveLiteHRNet
from .small_hrnet import SmallHRNet

__all__ = ["DiteHRNet", "LiteHRNet", "NaiveLiteHRNet", "SmallHRNet"]
