"""A console that shows a run, and leaves what precedes it to the log file.

Before its first step MMEngine's runner logs the whole config, a table of all hooks and
a line for each parameter that has options of its own: 400 to 1,250 lines. After this
module is imported, only the log file has them. All other messages are on both. The
configs name this module in ``custom_imports``.
"""

from __future__ import annotations

import functools
import logging
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


build_logger = Runner.build_logger


@functools.wraps(build_logger)
def build_brief_logger(self: Runner, *args: Any, **kwargs: Any) -> MMLogger:
    """Build the logger of a runner: a console and, in the first process, a file."""
    logger = build_logger(self, *args, **kwargs)
    console, *files = logger.handlers
    if files:
        console.addFilter(is_for_the_console)
        logger.info(f"Config and list of hooks are in {files[0].baseFilename}")
    return logger


Runner.build_logger = build_brief_logger
