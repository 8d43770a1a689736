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
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import nn

from mmlitehrnet.deploy import deploy_model
from mmlitehrnet.deploy.export import Network
from tests.ncnn_check import CONFIGS
from tests.outside import installed, report, save_network
from tests.running import ROOT

#: coremltools, and what it needs that is in no environment here.
PACKAGES = ("coremltools==9.0", "attrs==26.1.0", "cattrs==26.2.1", "pyaml==26.7.0")


def convert(network: nn.Module, size: tuple[int, int], path: Path) -> str:
    """Convert a network to an ML program in float16; tell how large it is."""
    coremltools = importlib.import_module("coremltools")
    images = torch.rand(1, 3, *size)
    with torch.no_grad():
        traced = torch.jit.trace(Network(network).eval(), images)
    with contextlib.redirect_stderr(io.StringIO()):  # bars
        coremltools.convert(
            traced,
            inputs=[coremltools.TensorType(name="input", shape=images.shape)],
            minimum_deployment_target=coremltools.target.iOS16,
        ).save(str(path))
    return f"{sum(file.stat().st_size for file in path.rglob('*.*')) / 1e6:.2f} MB"


def cases(folder: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Each pose config of `make ncnn-check`, trained and deployed."""
    for config, size in [c for c in CONFIGS.items() if c[0].startswith("pose")]:
        model = save_network(ROOT / "configs" / config, folder / "weights.pth")
        forms = {"trained": model, "deployed": deploy_model(model, "pytorch")}
        for name, form in forms.items():
            path = folder / f"{name}.mlpackage"
            yield f"{config}, {name}", partial(convert, form, size, path)


def main() -> int:
    """Install coremltools, convert, print a line for each network and form."""
    logging.disable(logging.WARNING)
    with installed(*PACKAGES) as folder:
        return report(cases(folder))


if __name__ == "__main__":
    sys.exit(main())
