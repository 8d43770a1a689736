"""What both packages' datasets check, and how they say it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class DataError(ValueError):
    """Data that cannot be used; the message names the file and the field."""


@contextmanager
def errors_at(place: str) -> Iterator[None]:
    """Let every error inside name a place.

    Raises:
        DataError: In place of any other error.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        # Readers and transforms of other packages fail in any way.
        reason = str(error) or repr(error)
        raise DataError(f"{place}: {type(error).__name__}: {reason}") from error


def check_image_file(path: str) -> None:
    """Check that an image file is there and not empty, which readers say badly.

    Raises:
        DataError: If it is missing or empty.
    """
    if "://" in path:
        return
    with errors_at(path):
        if os.stat(path).st_size == 0:
            raise DataError(f"{path}: the file is empty")


def run_pipeline(pipeline: Callable[[dict], Any], info: dict, place: str) -> Any:
    """Run a pipeline on a sample with 'img_path', and let its errors name a place.

    Raises:
        DataError: In place of any error.
    """
    check_image_file(info["img_path"])
    with errors_at(place):
        return pipeline(info)
