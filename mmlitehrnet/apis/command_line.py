"""Arguments of the tools, and types of them that say what would be right."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

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


def folder(text: str) -> Path:
    """A folder to write to, which need not exist yet."""
    path = Path(text)
    for part in (path, *path.parents):
        if part.exists() and not part.is_dir():
            raise ArgumentTypeError(f"{text}: a folder is needed, {part} is a file")
    return path


def picture(text: str) -> Path:
    """An image file to write, in the format of its suffix."""
    path = Path(text)
    if not path.suffix or path.is_dir():
        raise ArgumentTypeError(f"{text}: an image file is needed, as picture.png")
    return path


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


def at_least(least: int) -> Callable[[str], int]:
    """Integers that are not smaller than one."""

    def integer(text: str) -> int:
        value = int(text)
        if value < least:
            raise ArgumentTypeError(f"{text}: must be at least {least}")
        return value

    return integer


def side(text: str) -> int:
    """Height or width of images that all the networks take."""
    value = int(text)
    if value < 32 or value % 32:
        raise ArgumentTypeError(f"{text}: must be a positive multiple of 32")
    return value
