"""Exported files that rtmlib runs as they are: detection, tracking, drawing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .pose import Surroundings

#: Codec of MMPose -> the class of rtmlib that has it, and what that takes for granted.
CLASSES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "SimCCLabel": ("RTMPose", dict(use_udp=False, simcc_split_ratio=2.0)),
    # It cuts persons out without UDP even so, see docs/internals.md.
    "UDPHeatmap": ("ViTPose", dict(blur_kernel_size=11)),
}
#: What both take for granted.
ALWAYS = dict(padding=1.25, keypoint_indices=None)
#: How both normalise an image: blue, green, red by the numbers of red, green, blue.
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def adapt_to_rtmlib(pose: Surroundings | None, channels: int) -> nn.Conv2d:
    """Find what a network needs before it for images as rtmlib normalises them.

    Args:
        pose: What surrounds the network.
        channels: Channels of the images that the network takes.

    Returns:
        The layer that normalises them anew.

    Raises:
        ValueError: If rtmlib does something else around the network than its config
            says, which is named.
    """
    if pose is None:
        raise ValueError("rtmlib=True needs a pose estimator with its surroundings")
    codec = type(pose.codec).__name__
    if codec not in CLASSES:
        raise ValueError(
            "rtmlib decodes SimCCLabel (its RTMPose) and UDPHeatmap (its ViTPose), but "
            f"the network's keypoints are decoded by {codec}"
        )
    name, needed = CLASSES[codec]
    for field, value in {**ALWAYS, **needed}.items():
        found = getattr(pose if hasattr(pose, field) else pose.codec, field)
        if found != value:
            raise ValueError(
                f"rtmlib's {name} has {field}={value}, but the config says {found}"
            )
    if channels != 3:
        raise ValueError(f"rtmlib's {name} has 3 channels, but the network {channels}")
    order = [2, 1, 0] if pose.rgb else [0, 1, 2]
    mean, std, to_mean, to_std = (
        torch.tensor(value).double() for value in (MEAN, STD, pose.mean, pose.std)
    )
    layer = nn.Conv2d(3, 3, kernel_size=1)
    weight = torch.diag(std[order] / to_std)[:, order, None, None]
    layer.load_state_dict(dict(weight=weight, bias=(mean[order] - to_mean) / to_std))
    return layer
