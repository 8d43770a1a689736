"""Arguments of the tools, and types of them that say what would be right."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

import torch
from mmengine.config import DictAction


def add_cfg_options(parser: ArgumentParser) -> None:
    """Add ``--cfg-options``, a dict of changes to the config."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        default={},
        metavar="KEY=VALUE",
        help="changes to the config, as of `mim train` and `mim test`",
    )


def device(text: str) -> torch.device:
    """A device that PyTorch can use."""
    try:
        found = torch.device(text)
        torch.empty(1, device=found).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ArgumentTypeError(
            f"{text}: a device that PyTorch finds is needed, as cpu or cuda:0 "
            f"({str(error).splitlines()[0]})"
        ) from error
    return found


def fraction(text: str) -> float:
    """A number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text}: must be 0 to 1")
    return value
