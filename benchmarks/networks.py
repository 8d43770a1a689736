"""The networks that are measured side by side: these, and what people use today."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from mmengine import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from mmengine.utils import get_installed_path
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmlitehrnet.deploy import deploy_model

#: What the other pose estimators are compared with.
BASELINE = "Lite-HRNet-18 (MMPose)"


class Candidate(NamedTuple):
    """A network to measure.

    Attributes:
        config: Its config; under ``mmpose::`` or ``mmseg::``, one that the library
            installs, else one of this package's.
        score: Published AP on COCO val2017, flip test, or mIoU on Cityscapes val,
            single scale: of the papers for ours, of the library's model zoo (the
            best that it has of a network) for its own. None: nobody published any.
        ours: Whether it is one of this package's, which can be deployed.
        mmpose_backbone: Whether MMPose's backbone is put in the place of ours.
        tested: Height and width of the images that the score was measured on.
    """

    config: str
    score: float | None
    ours: bool = False
    mmpose_backbone: bool = False
    tested: tuple[int, int] = (256, 192)


_ZOO = (
    "mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_{}_8xb64-210e_coco-256x192.py"
)
_RTM = "mmpose::body_2d_keypoint/rtmpose/coco/rtmpose-{}_8xb256-420e_coco-256x192.py"
_OURS = "configs/pose/{}_coco_256x192.py"

#: Name -> pose estimator.
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


def _street(config: str, score: float) -> Candidate:
    """One of MMSegmentation's, tested on images as Cityscapes has them."""
    return Candidate(f"mmseg::{config}.py", score, tested=(1024, 2048))


def _our_street(config: str, score: float | None) -> Candidate:
    path = f"configs/seg/{config}_cityscapes_512x1024.py"
    return Candidate(path, score, ours=True, tested=(512, 1024))


#: Name -> segmentor.
SEGMENTORS: dict[str, Candidate] = {
    "BiSeNetV2": _street(
        "bisenetv2/bisenetv2_fcn_4xb8-160k_cityscapes-1024x1024", 75.76
    ),
    "STDC1": _street("stdc/stdc1_in1k-pre_4xb12-80k_cityscapes-512x1024", 74.94),
    "PIDNet-S": _street("pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes", 78.74),
    "DDRNet-23-slim": _street(
        "ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024", 77.84
    ),
    "SegFormer-B0": _street(
        "segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024", 76.54
    ),
    "MobileNetV3 LRASPP": _street(
        "mobilenet_v3/mobilenet-v3-d8_lraspp_4xb4-320k_cityscapes-512x1024", 69.54
    ),
    "HRNet-W18-small": _street("hrnet/fcn_hr18s_4xb2-160k_cityscapes-512x1024", 76.31),
    "Small HRNet-W16": _our_street("small_hrnet_w16", 68.6),
    "Naive Lite-HRNet-18": _our_street("naive_litehrnet_18", None),
    "Lite-HRNet-18": _our_street("litehrnet_18", 73.8),
    "Dite-HRNet-18": _our_street("ditehrnet_18", None),
}


class Task(NamedTuple):
    """What networks are for.

    Attributes:
        candidates: Name -> network.
        baseline: What the others are compared with.
        trained: Networks whose training is measured by default.
        scope: Name of the library's registry.
        metric: What their published scores are.
        sizes: Heights and widths of images by default.
        batches: Numbers of images by default.
        training_batch: Number of images of a training step by default.
    """

    candidates: dict[str, Candidate]
    baseline: str
    trained: list[str]
    scope: str
    metric: str
    sizes: list[tuple[int, int]]
    batches: list[int]
    training_batch: int


#: Name -> task.
TASKS: dict[str, Task] = {
    "pose": Task(
        CANDIDATES,
        BASELINE,
        [BASELINE, "Lite-HRNet-18"],
        "mmpose",
        "COCO AP, published",
        [(256, 192), (384, 288)],
        [1, 8],
        64,
    ),
    "seg": Task(
        SEGMENTORS,
        "PIDNet-S",
        ["PIDNet-S", "DDRNet-23-slim", "Naive Lite-HRNet-18", "Lite-HRNet-18"],
        "mmseg",
        "Cityscapes mIoU, published",
        [(512, 1024), (1024, 2048)],
        [1, 2],
        2,
    ),
}


class TensorMode(nn.Module):
    """A model of MMPose or MMSegmentation as a map from images to the head's output."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map images (N, 3, H, W) to heatmaps, coordinate distributions or logits."""
        return self.model(x, None, mode="tensor")


def variants(
    name: str, size: tuple[int, int], target: str, task: str = "pose"
) -> dict[str, TensorMode]:
    """Build a network as it is trained and, if it is ours, deployed.

    Args:
        name: Its name in the table.
        size: Height and width of its images in pixels.
        target: Runtime that it is deployed for.
        task: What it is for, one of :data:`TASKS`.

    Returns:
        Label to network.
    """
    model = build(name, size, task)
    found = {name: TensorMode(model)}
    if TASKS[task].candidates[name].ours:
        found[f"{name}, deployed"] = TensorMode(deploy_model(model, target))
    return found


def build(name: str, size: tuple[int, int], task: str = "pose") -> nn.Module:
    """Build a network in evaluation mode, with random weights.

    Args:
        name: Its name in the table.
        size: Height and width of its images in pixels; RTMPose's head is made for
            one size.
        task: What it is for, one of :data:`TASKS`.

    Returns:
        The pose estimator or segmentor, with its config in ``cfg``.
    """
    candidate = TASKS[task].candidates[name]
    whole = Config.fromfile(str(_config_path(candidate.config)))
    config = whole.model
    height, width = size
    for key, value in dict(
        input_size=(width, height), in_featuremap_size=(width // 32, height // 32)
    ).items():
        if key in config.get("head", {}):
            config.head[key] = value
    config.backbone.init_cfg = None
    arguments = {k: v for k, v in config.backbone.items() if k != "type"}
    init_default_scope(TASKS[task].scope)
    model = revert_sync_batchnorm(MODELS.build(config))
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
