"""What the checks against packages share that are no part of the environment."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config
from torch import nn

from mmlitehrnet.apis.model import network_from_config


@contextmanager
def installed(*packages: str) -> Iterator[Path]:
    """Install packages without what they depend on; gives a folder to work in.

    They stay importable for the rest of the process, as long as the folder is there.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = (sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target")
        subprocess.run([*pip, str(folder / "packages"), *packages], check=True)
        sys.path.append(str(folder / "packages"))
        yield folder


def save_network(config: Path, weights: Path) -> nn.Module:
    """Build the model of a config and write weights with which no rounding grows."""
    torch.manual_seed(0)  # PyTorch's own weights
    model = network_from_config(Config.fromfile(config)).eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    torch.save(dict(state_dict=model.state_dict(), meta={}), weights)
    return model
