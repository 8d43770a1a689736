"""Take the place of MMPose's own LiteHRNet. Imported after MMPose's models."""

from mmpose.registry import MODELS

from .backbones import LiteHRNet

MODELS.register_module(name="LiteHRNet", module=LiteHRNet, force=True)
