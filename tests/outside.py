"""What the checks against packages outside the environment share."""

import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config
from torch import nn

from mmlitehrnet.apis.model import network_from_config
from tests.models.backbones.reference import fresh_weights


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
    model = fresh_weights(network_from_config(Config.fromfile(config))).eval()
    torch.save(dict(state_dict=model.state_dict(), meta={}), weights)
    return model


def report(cases: Iterable[tuple[str, Callable[[], str]]]) -> int:
    """Print what comes of each case and how long it takes; count those that fail."""
    warnings.filterwarnings("ignore")
    failed = 0
    for name, run in cases:
        start = time.monotonic()
        try:
            said = run()
        except (Exception, SystemExit) as error:  # Each case is reported.
            said, failed = f"{type(error).__name__}: {str(error)[-200:]}", failed + 1
        print(f"{time.monotonic() - start:4.0f} s  {name}: {said}", flush=True)
    return failed
