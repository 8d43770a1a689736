"""Export all networks to ncnn and run them there: `make ncnn-check`.

The tool exports a pose config of each backbone and a segmentation config; ncnn must
give what the model gives in PyTorch.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.outside import save_network
from tests.running import ROOT
from tests.tools import load_tool

#: Config -> height and width of its images.
CONFIGS = {
    "pose/litehrnet_18_coco_256x192.py": (256, 192),
    "pose/naive_litehrnet_18_coco_256x192.py": (256, 192),
    "pose/ditehrnet_18_coco_256x192.py": (256, 192),
    "pose/small_hrnet_w16_coco_256x192.py": (256, 192),
    "seg/litehrnet_18_cityscapes_512x1024.py": (128, 256),
}


def main() -> int:
    """Export, print a line for each config."""
    warnings.filterwarnings("ignore")
    failed = 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        tool, weights = load_tool("export_onnx"), folder / "weights.pth"
        for config, size in CONFIGS.items():
            start = time.monotonic()
            out = folder / Path(config).with_suffix(".param").name
            try:
                save_network(ROOT / "configs" / config, weights)
                arguments = [ROOT / "configs" / config, weights, "--out", out]
                arguments += ["--input-size", *size, "--tolerance", 1e-4]
                failed += tool.main([str(argument) for argument in arguments])
                if not out.with_suffix(".bin").stat().st_size:
                    raise ValueError("no weights were written")
            except (Exception, SystemExit) as error:  # Each config is reported.
                print(f"{config}: {type(error).__name__}: {error}")
                failed += 1
            print(f"{time.monotonic() - start:4.0f} s  {config}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
