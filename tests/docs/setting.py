"""What the pages take for granted: data, checkpoints, names in Python blocks."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine import Config

from mmlitehrnet import LiteHRNet
from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.deploy.export import export_onnx
from sample_data.crowd import draw_crowd
from sample_data.output import write_image
from tests.robustness.recipes import CONFIGS, TINY, WIDTHS
from tests.running import ROOT


def names_for(text: str) -> dict:
    """Names that a Python block uses and does not define."""
    names: dict = {
        "image": np.zeros((80, 100, 3), np.uint8),
        "boxes": np.array([[4.0, 4.0, 40.0, 60.0]]),
    }
    if "switch_to_deploy(net)" in text:
        names |= {"net": LiteHRNet().eval(), "model": _pose_network()}
    return names


def make_inputs(text: str, folder: Path) -> None:
    """Write what a block or a command reads and nothing before it has made.

    Checkpoints (of the config that the text names, or of the one whose work directory
    they are in) are of untrained networks; pictures and videos are generated.

    Args:
        text: The block or command.
        folder: Where it is run; has `configs/`.
    """
    inputs = re.sub(r"--out\S* \S+", "", text)
    inputs = re.sub(r"(convert_checkpoint\.py \S+) \S+", r"\1", inputs)
    for name in re.findall(r"(?<![\w./-])[\w./-]+\.(?:pth|onnx|jpg|mp4)\b", inputs):
        path = folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _MAKERS[path.suffix](path, text, folder)


def _save_checkpoint(path: Path, text: str, folder: Path) -> None:
    """Save an untrained network of a config as if it had been trained."""
    of_run = sorted((folder / "configs").rglob(f"{path.parent.name}.py"))
    named = re.findall(r"configs/[\w/]+\.py", text)
    named += [CONFIGS["pose"]]  # where none is
    config = of_run[0] if of_run else folder / named[0]
    network = network_from_config(Config.fromfile(config))
    torch.save({"state_dict": network.state_dict()}, path)


def _export(path: Path, text: str, folder: Path) -> None:
    export_onnx(_pose_network(), path, (256, 192), dynamic_batch=True, flip_test=False)


def _draw(path: Path, text: str, folder: Path) -> None:
    image, _ = draw_crowd(np.random.default_rng(0))
    write_image(path, image)


def _film(path: Path, text: str, folder: Path) -> None:
    image, _ = draw_crowd(np.random.default_rng(0))
    codec = cv2.VideoWriter_fourcc(*"mp4v")
    video = cv2.VideoWriter(str(path), codec, 5, image.shape[1::-1])
    for _ in range(2):
        video.write(np.ascontiguousarray(image[..., ::-1]))
    video.release()


_MAKERS = {".pth": _save_checkpoint, ".onnx": _export, ".jpg": _draw, ".mp4": _film}


def _pose_network() -> torch.nn.Module:
    """A small one; the export of a large one takes long."""
    cfg = Config.fromfile(ROOT / CONFIGS["pose"])
    cfg.model.backbone = dict(type="LiteHRNet", **TINY["LiteHRNet"])
    cfg.model.head.in_channels = WIDTHS[0]
    network = network_from_config(cfg).eval()
    network.cfg = cfg
    return network
