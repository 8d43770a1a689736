"""Networks to measure, and how to call them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from mmengine import Config
from mmengine.model import BaseModel
from mmengine.registry import MODELS, init_default_scope
from torch import Tensor, nn


class PoseNetwork(nn.Module):
    """What the papers' pose tables measure: a backbone and a 1x1 convolution.

    Args:
        backbone: A network that gives a tuple of maps and has ``out_channels``.
        joints: Number of heatmaps K.
    """

    def __init__(self, backbone: nn.Module, joints: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Conv2d(backbone.out_channels[0], joints, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to heatmaps (N, K, H / 4, W / 4)."""
        return self.head(self.backbone(x)[0])


def network_from_config(cfg: Config) -> nn.Module:
    """Build the model of a pose or segmentation config, without its weights.

    Args:
        cfg: A config of MMPose or MMSegmentation.

    Returns:
        The pose estimator or segmentor.
    """
    init_default_scope(cfg.get("default_scope", "mmpose"))
    return MODELS.build(cfg.model)


def config_input_size(cfg: Config) -> tuple[int, int]:
    """Find the size of the images that a config's model is made for.

    Args:
        cfg: A config of MMPose (size of the test pipeline's output) or of
            MMSegmentation (size that the data preprocessor pads to).

    Returns:
        Height and width in pixels.

    Raises:
        ValueError: If the config gives no size.
    """
    dataset = cfg.get("test_dataloader", {}).get("dataset", {})
    for transform in dataset.get("pipeline", ()):
        if "input_size" in transform:
            width, height = transform["input_size"]
            return height, width
    size = (cfg.model.get("data_preprocessor") or {}).get("size")
    if size is None:
        raise ValueError(
            "the config gives no input size: neither does its test pipeline have an "
            "'input_size' nor its data preprocessor a 'size'"
        )
    height, width = size
    return height, width


def call_on(network: nn.Module, size: tuple[int, int]) -> Callable[[], object]:
    """Prepare a call of a network on one empty image.

    Args:
        network: A backbone, a :class:`PoseNetwork`, a pose estimator or a segmentor.
        size: Height and width of the image in pixels.

    Returns:
        A function that runs the network, heads included.
    """
    backbone = getattr(network, "backbone", network)
    image = torch.zeros(1, getattr(backbone, "in_channels", 3), *size)
    if isinstance(network, BaseModel):
        return lambda: network(image, None, mode="tensor")
    return lambda: network(image)
