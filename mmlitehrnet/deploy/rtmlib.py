"""Exported files that rtmlib runs as they are: detection, tracking, drawing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .runner import PoseTask

#: Decoder -> the class of rtmlib that has it, and what that takes for granted.
CLASSES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "simcc": ("RTMPose", dict(use_udp=False, split_ratio=2.0)),
    # It cuts persons out without UDP even so, see docs/deployment.md.
    "dark_udp": ("ViTPose", dict(blur_kernel_size=11)),
}
#: What both take for granted.
ALWAYS = dict(padding=1.25, keypoint_indices=None)
#: How both normalise an image: OpenCV's, by the numbers of red, green, blue.
IMAGES: dict[str, Any] = dict(
    mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375), rgb=False
)


def adapt_to_rtmlib(task: PoseTask | None, channels: int) -> tuple[PoseTask, nn.Conv2d]:
    """Find what a network needs before it for images as rtmlib normalises them.

    Args:
        task: What surrounds the network.
        channels: Channels of the images that the network takes.

    Returns:
        What surrounds the network with the layer before it, and the layer.

    Raises:
        ValueError: If rtmlib does something else around the network than its config
            says, which is named.
    """
    if task is None:
        raise ValueError("rtmlib=True needs a pose estimator with its surroundings")
    if task.decoder not in CLASSES:
        raise ValueError(
            "rtmlib decodes SimCCLabel (its RTMPose) and UDPHeatmap (its ViTPose), but "
            f"the network's keypoints are decoded by {task.decoder!r}"
        )
    name, needed = CLASSES[task.decoder]
    for field, value in {**ALWAYS, **needed}.items():
        if (found := getattr(task, field)) != value:
            raise ValueError(
                f"rtmlib's {name} has {field}={value}, but the config says {found}"
            )
    if channels != 3:
        raise ValueError(f"rtmlib's {name} has 3 channels, but the network {channels}")
    given = task._replace(**IMAGES)
    return given, _renormalisation(given, task)


def _renormalisation(given: PoseTask, needed: PoseTask) -> nn.Conv2d:
    """The layer that turns images normalised as for one task into another's."""
    order = [2, 1, 0] if given.rgb != needed.rgb else [0, 1, 2]
    pairs = ((task.mean, task.std) for task in (given, needed))
    (mean, std), (to_mean, to_std) = (torch.tensor(p).double() for p in pairs)
    layer = nn.Conv2d(3, 3, kernel_size=1)
    weight = torch.diag(std[order] / to_std)[:, order, None, None]
    layer.load_state_dict(dict(weight=weight, bias=(mean[order] - to_mean) / to_std))
    return layer
