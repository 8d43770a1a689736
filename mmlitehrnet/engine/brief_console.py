"""A console that shows a run, and leaves what precedes it to the log file.

Before its first step MMEngine's runner logs the whole config, a table of all hooks and
a line for each parameter that has options of its own: 400 to 1,250 lines. After this
module is imported, only the log file has them. All other messages are on both. The
configs name this module in ``custom_imports``.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner

#: How the messages begin that only the log file has.
LEFT_TO_THE_FILE = (
    "Config:\n",
    "Hooks will be executed in the following order:\n",
    "paramwise_options -- ",
)


def is_for_the_console(record: logging.LogRecord) -> bool:
    """Whether a message is shown; all that warn are."""
    warns = record.levelno >= logging.WARNING
    return warns or not record.getMessage().startswith(LEFT_TO_THE_FILE)


def with_brief_console(build_logger: Callable[..., MMLogger]) -> Callable:
    """Wrap the ``build_logger`` of a runner, whose logs go to a file as well."""

    @functools.wraps(build_logger)
    def build(self: Runner, *args: Any, **kwargs: Any) -> MMLogger:
        logger = build_logger(self, *args, **kwargs)
        files = [h for h in logger.handlers if isinstance(h, logging.FileHandler)]
        if files:
            for handler in {*logger.handlers} - {*files}:
                handler.addFilter(is_for_the_console)
            logger.info(f"Config and list of hooks are in {files[0].baseFilename}")
        return logger

    return build


Runner.build_logger = with_brief_console(Runner.build_logger)
