"""Convert all networks to LiteRT and run them there: `make litert-check`.

The tool exports each network, and tests/litert_convert.py, in an environment of its
own (requirements/litert.txt), converts the file, compares what LiteRT and ONNX Runtime
give, in float32 and in float16, and tells how long each takes beside RTMPose-t.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch

from benchmarks.networks import TensorMode, build
from tests.outside import save_network
from tests.running import ROOT
from tests.tools import run_tool

SIZE = (256, 192)
#: Config -> options of the export. Of a network for any number of images no kernel of a
#: convolution is computed, which LiteRT's converter has no operator for.
CONFIGS: dict[str, list[str]] = {
    "naive_litehrnet_18": [],
    "litehrnet_18": [],
    "ditehrnet_18": ["--dynamic-batch"],
    "small_hrnet_w16": [],
}


def export_baseline(path: Path) -> None:
    """Write RTMPose-t as PyTorch exports it."""
    network = TensorMode(build("RTMPose-t", SIZE)).eval()
    images = torch.rand(1, 3, *SIZE)
    options = dict(opset_version=13, dynamo=False, input_names=["input"])
    torch.onnx.export(network, images, path, **options)


def main(arguments: list[str] | None = None) -> int:
    """Export, then convert and run with the Python that is given."""
    (python,) = sys.argv[1:] if arguments is None else arguments
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_baseline(folder / "RTMPose-t.onnx")
        weights, failed = folder / "weights.pth", 0
        for config, options in CONFIGS.items():
            path = ROOT / f"configs/pose/{config}_coco_256x192.py"
            save_network(path, weights)
            out = ["--out", folder / f"{config}.onnx", "--tolerance", 1e-4]
            options = ["--network-only", "--target", "openvino", *options]
            failed += run_tool("export_onnx", path, weights, *out, *options)
        script = ROOT / "tests/litert_convert.py"
        files = sorted(folder.glob("*.onnx"))
        return failed or subprocess.run([python, script, *files]).returncode


if __name__ == "__main__":
    sys.exit(main())
