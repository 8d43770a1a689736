"""Convert all networks to Core ML: `make coreml-check STACK=reference`.

coremltools supports torch up to 2.7, hence the stack. It is installed into a folder of
its own. Each network is converted as it is trained and deployed. Core ML runs on
Apple systems only: nothing is computed here. Needs the network.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import sys
import time
import warnings
from pathlib import Path

import torch
from torch import nn

from mmlitehrnet.deploy import deploy_model
from mmlitehrnet.deploy.export import Network
from tests.ncnn_check import CONFIGS
from tests.outside import installed, save_network
from tests.running import ROOT

#: coremltools, and what it needs that is in no environment here.
PACKAGES = ("coremltools==9.0", "attrs==26.1.0", "cattrs==26.2.1", "pyaml==26.7.0")


def convert(network: nn.Module, size: tuple[int, int], path: Path) -> float:
    """Convert a network to an ML program in float16.

    Returns:
        The size of what was written, in megabytes.
    """
    coremltools = importlib.import_module("coremltools")
    images = torch.rand(1, 3, *size)
    with torch.no_grad():
        traced = torch.jit.trace(network, images)
    coremltools.convert(
        traced,
        inputs=[coremltools.TensorType(name="input", shape=images.shape)],
        minimum_deployment_target=coremltools.target.iOS16,
    ).save(str(path))
    return sum(file.stat().st_size for file in path.rglob("*.*")) / 1e6


def main() -> int:
    """Install coremltools, convert, print a line for each network and form."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    failed = 0
    with installed(*PACKAGES) as folder:
        for config, size in [c for c in CONFIGS.items() if c[0].startswith("pose")]:
            model = save_network(ROOT / "configs" / config, folder / "weights.pth")
            forms = {"trained": model, "deployed": deploy_model(model, "pytorch")}
            for name, form in forms.items():
                start, path = time.monotonic(), folder / f"{name}.mlpackage"
                try:
                    with contextlib.redirect_stderr(io.StringIO()):  # bars
                        megabytes = convert(Network(form).eval(), size, path)
                    said = f"{megabytes:.2f} MB"
                except Exception as error:  # Each one is reported.
                    said, failed = f"{type(error).__name__}: {error}", failed + 1
                seconds = time.monotonic() - start
                print(f"{seconds:4.0f} s  {config}, {name}: {said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
