"""Convert all networks by mmdeploy's `torch2onnx`: `make mmdeploy-check`.

mmdeploy 1.3.1 does not run on today's stack (nor on CPython 3.13 by itself), so this is
for the reference one: `make mmdeploy-check STACK=reference`. It is installed into a
folder of its own, and converts a pose and a segmentation config of each backbone at its
default opset, 11, for one image and (but for Dite-HRNet) for any number. ONNX Runtime
must give what the model gives in PyTorch. Needs the network.
"""

from __future__ import annotations

import importlib
import sys
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from mmengine.config import Config
from torch import Tensor, nn

from tests.models.backbones.reference import difference, images
from tests.outside import installed, report, save_network
from tests.running import ROOT

#: Without mmdeploy's own pins, of which protobuf's is older than onnx needs.
PACKAGES = ("mmdeploy==1.3.1", "aenum==3.1.17", "dill==0.4.1", "multiprocess==0.70.19")
NETWORKS = ("litehrnet_18", "naive_litehrnet_18", "ditehrnet_18", "small_hrnet_w16")
#: Library -> configs, mmdeploy's task, width and height of its images.
TASKS: dict[str, tuple[str, dict, list[int]]] = {
    "mmpose": ("pose/{}_coco_256x192.py", dict(task="PoseDetection"), [192, 256]),
    "mmseg": (
        "seg/{}_cityscapes_512x1024.py",
        dict(task="Segmentation", with_argmax=False),
        [128, 64],
    ),
}


def deploy_config(codebase: dict, size: list[int], dynamic: bool) -> Config:
    """What mmdeploy is to write: a file for ONNX Runtime."""
    axes = {name: {0: "batch"} for name in ("input", "output")} if dynamic else None
    onnx_config = dict(
        type="onnx", export_params=True, keep_initializers_as_inputs=False,
        opset_version=11, save_file="end2end.onnx", input_names=["input"],
        output_names=["output"], input_shape=size, optimize=False, dynamic_axes=axes,
    )  # fmt: skip
    backend = dict(type="onnxruntime")
    return Config(
        dict(onnx_config=onnx_config, codebase_config=codebase, backend_config=backend)
    )


def output(model: nn.Module, library: str, x: Tensor) -> Tensor:
    """Heatmaps, or logits as large as the images."""
    with torch.no_grad():
        if library == "mmpose":
            return model(x, None, mode="tensor")
        return model.encode_decode(x, [dict(img_shape=x.shape[2:])] * len(x))


def convert(library: str, name: str, dynamic: bool, folder: Path) -> str:
    """Convert a config, and compare with PyTorch."""
    apis: Any = importlib.import_module("mmdeploy.apis")
    pattern, task, size = TASKS[library]
    config, weights = ROOT / "configs" / pattern.format(name), folder / "weights.pth"
    model = save_network(config, weights)
    pixels = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8)
    image, out = folder / "image.png", folder / "end2end.onnx"
    cv2.imwrite(str(image), pixels)
    deploy = deploy_config(dict(type=library, **task), size, dynamic)
    files = str(image), str(folder), out.name, deploy, str(config), str(weights)
    apis.torch2onnx(*files, "cpu")
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    x = images(3 if dynamic else 1, 3, *size[::-1])
    (found,) = session.run(None, {"input": x.numpy()})
    error = difference(torch.from_numpy(found), output(model, library, x))
    if not error < 1e-4:
        raise ValueError(f"relative difference {error:.1e}")
    return f"relative difference {error:.1e}"


def main() -> int:
    """Install mmdeploy, convert, print a line for each case."""
    if sys.version_info >= (3, 12):
        raise SystemExit("mmdeploy needs CPython 3.11: STACK=reference")
    with installed(*PACKAGES) as folder:
        return report(
            (
                f"{library} {name}, {'any batch' if dynamic else 'one image'}",
                partial(convert, library, name, dynamic, folder),
            )
            for library, name, dynamic in product(TASKS, NETWORKS, (False, True))
            # Dite-HRNet's dynamic kernels are those of a fixed number of images.
            if not (dynamic and "dite" in name)
        )


if __name__ == "__main__":
    sys.exit(main())
