"""The networks that are measured side by side: these, and what people use today."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from mmengine import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.utils import get_installed_path
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmlitehrnet.deploy import deploy_model

#: What the others are compared with.
BASELINE = "Lite-HRNet-18 (MMPose)"


class Candidate(NamedTuple):
    """A network to measure.

    Attributes:
        config: Config of its pose estimator; under ``mmpose::``, one that MMPose
            installs, else one of this package's.
        ap: Published AP on COCO val2017 at 256x192, flip test: of the papers for
            ours, of MMPose's model zoo for its own.
        ours: Whether it is one of this package's, which can be deployed.
        mmpose_backbone: Whether MMPose's backbone is put in the place of ours.
    """

    config: str
    ap: float
    ours: bool = False
    mmpose_backbone: bool = False


_ZOO = (
    "mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_{}_8xb64-210e_coco-256x192.py"
)
_RTM = "mmpose::body_2d_keypoint/rtmpose/coco/rtmpose-{}_8xb256-420e_coco-256x192.py"
_OURS = "configs/pose/{}_coco_256x192.py"

#: Name -> network.
CANDIDATES: dict[str, Candidate] = {
    BASELINE: Candidate(_ZOO.format("litehrnet-18"), 64.2, mmpose_backbone=True),
    "MobileNetV2": Candidate(_ZOO.format("mobilenetv2"), 64.8),
    "RTMPose-t": Candidate(_RTM.format("t"), 68.2),
    "RTMPose-s": Candidate(_RTM.format("s"), 71.6),
    "Small HRNet-W16": Candidate(_OURS.format("small_hrnet_w16"), 55.2, ours=True),
    "Naive Lite-HRNet-18": Candidate(
        _OURS.format("naive_litehrnet_18"), 62.5, ours=True
    ),
    "Wider Naive Lite-HRNet-18": Candidate(
        _OURS.format("wider_naive_litehrnet_18"), 65.7, ours=True
    ),
    "Lite-HRNet-18": Candidate(_OURS.format("litehrnet_18"), 64.8, ours=True),
    "Lite-HRNet-30": Candidate(_OURS.format("litehrnet_30"), 67.2, ours=True),
    "Dite-HRNet-18": Candidate(_OURS.format("ditehrnet_18"), 65.9, ours=True),
    "Dite-HRNet-30": Candidate(_OURS.format("ditehrnet_30"), 68.3, ours=True),
}


class TensorMode(nn.Module):
    """An MMPose model as a map from images to the head's output."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map images (N, 3, H, W) to heatmaps or coordinate distributions."""
        return self.model(x, None, mode="tensor")


def variants(name: str, size: tuple[int, int], target: str) -> dict[str, TensorMode]:
    """Build a network as it is trained and, if it is ours, deployed.

    Args:
        name: Its name in the table.
        size: Height and width of its images in pixels.
        target: Runtime that it is deployed for.

    Returns:
        Label to network.
    """
    model = build(name, size)
    found = {name: TensorMode(model)}
    if CANDIDATES[name].ours:
        found[f"{name}, deployed"] = TensorMode(deploy_model(model, target))
    return found


def build(name: str, size: tuple[int, int]) -> nn.Module:
    """Build a pose estimator in evaluation mode, with random weights.

    Args:
        name: Its name in the table.
        size: Height and width of its images in pixels; RTMPose's head is made for
            one size.

    Returns:
        The estimator, with its config in ``cfg``.
    """
    candidate = CANDIDATES[name]
    whole = Config.fromfile(str(_config_path(candidate.config)))
    config = whole.model
    height, width = size
    for key, value in dict(
        input_size=(width, height), in_featuremap_size=(width // 32, height // 32)
    ).items():
        if key in config.head:
            config.head[key] = value
    config.backbone.init_cfg = None
    arguments = {k: v for k, v in config.backbone.items() if k != "type"}
    init_default_scope("mmpose")
    model = MODELS.build(config)
    if candidate.mmpose_backbone:
        from mmpose.models.backbones.litehrnet import LiteHRNet

        model.backbone = LiteHRNet(**arguments)
    vary(model)
    model.cfg = whole
    return model.eval()


def _config_path(config: str) -> Path:
    """Find a config: where its package keeps what ``mim`` runs, or here."""
    package, _, name = config.rpartition("::")
    if package:
        return Path(get_installed_path(package)) / ".mim" / "configs" / name
    return Path(__file__).parents[1] / name


@torch.no_grad()
def vary(model: nn.Module) -> None:
    """Give biases and batch normalisation values that differ, as training does.

    Those of a new network are all alike, and convolutions of the same bias share it
    in OpenVINO, which then adds it in a step of its own.

    Args:
        model: What is changed.
    """
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.affine:
            if module.running_mean is not None and module.running_var is not None:
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
            module.weight.uniform_(0.5, 1.5, generator=generator)
        bias = getattr(module, "bias", None)
        if isinstance(bias, nn.Parameter):
            bias.normal_(0, 0.1, generator=generator)
