"""Networks to measure, and how to call them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..models.backbones.high_resolution import HighResolutionNet


class PoseNetwork(nn.Module):
    """What the papers' pose tables measure: a backbone and a 1x1 convolution.

    Args:
        backbone: A backbone of this package.
        joints: Number of heatmaps K.
    """

    def __init__(self, backbone: HighResolutionNet, joints: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Conv2d(backbone.out_channels[0], joints, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to heatmaps (N, K, H / 4, W / 4)."""
        return self.head(self.backbone(x)[0])


def call_on(network: nn.Module, size: tuple[int, int]) -> Callable[[], object]:
    """Prepare a call of a network on one empty image.

    Args:
        network: A backbone, a :class:`PoseNetwork`, or a whole model of a config.
        size: Height and width of the image in pixels.

    Returns:
        A function that runs the network, heads included.
    """
    backbone = getattr(network, "backbone", network)
    image = torch.zeros(1, getattr(backbone, "in_channels", 3), *size)
    if isinstance(network, BaseModel):
        return lambda: network(image, None, mode="tensor")
    return lambda: network(image)
