"""Export all networks to ncnn and run them there: `make ncnn-check`.

The tool exports a pose config of each backbone and a segmentation config; ncnn must
give what the model gives in PyTorch.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.outside import report, save_network
from tests.running import ROOT
from tests.tools import run_tool

#: Config -> height and width of its images.
CONFIGS = {
    "pose/litehrnet_18_coco_256x192.py": (256, 192),
    "pose/naive_litehrnet_18_coco_256x192.py": (256, 192),
    "pose/ditehrnet_18_coco_256x192.py": (256, 192),
    "pose/small_hrnet_w16_coco_256x192.py": (256, 192),
    "seg/litehrnet_18_cityscapes_512x1024.py": (128, 256),
}


def export(config: str, size: tuple[int, int], folder: Path) -> str:
    """Export a config by the tool, which compares."""
    out = folder / Path(config).with_suffix(".param").name
    save_network(ROOT / "configs" / config, folder / "weights.pth")
    arguments = (ROOT / "configs" / config, folder / "weights.pth", "--out", out)
    options = ("--input-size", *size, "--tolerance", 1e-4)
    if run_tool("export_onnx", *arguments, *options):
        raise ValueError("not equal")
    return f"{out.with_suffix('.bin').stat().st_size / 1e6:.2f} MB"


def main() -> int:
    """Export, print a line for each config."""
    with TemporaryDirectory() as name:
        return report(
            (config, partial(export, config, size, Path(name)))
            for config, size in CONFIGS.items()
        )


if __name__ == "__main__":
    sys.exit(main())
