"""What the command lines have in common: options, and the pages that they write."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.networks import TASKS, Task
from benchmarks.timing import Timing


def at_least(least: int) -> Callable[[str], int]:
    """Integers that are not smaller than one."""

    def integer(text: str) -> int:
        value = int(text)
        if value < least:
            raise ArgumentTypeError(f"{text}: must be at least {least}")
        return value

    return integer


def image_size(text: str) -> tuple[int, int]:
    """Height and width of images that all the networks take, as ``256x192``."""
    height, _, width = text.partition("x")
    sides = [int(side) if side.isdecimal() else 0 for side in (height, width)]
    if any(side < 32 or side % 32 for side in sides):
        raise ArgumentTypeError(
            f"{text}: must be HEIGHTxWIDTH, both positive multiples of 32"
        )
    return sides[0], sides[1]


def folder(text: str) -> Path:
    """A folder to write to, which need not exist yet."""
    path = Path(text)
    for part in (path, *path.parents):
        if part.exists() and not part.is_dir():
            raise ArgumentTypeError(f"{text}: a folder is needed, {part} is a file")
    return path


def new_parser(
    description: str | None, arguments: Sequence[str] | None, threads: int
) -> tuple[ArgumentParser, Task]:
    """Make a parser with the options of all measurements.

    Args:
        description: What the help says.
        arguments: The command line, whose ``--task`` says which networks there are.
        threads: Threads by default.

    Returns:
        The parser, and the task.
    """
    first = ArgumentParser(add_help=False)
    first.add_argument("--task", choices=list(TASKS), default="pose")
    task = TASKS[first.parse_known_args(arguments)[0].task]
    parser = ArgumentParser(
        description=description,
        formatter_class=RawDescriptionHelpFormatter,
        parents=[first],
    )
    add = parser.add_argument
    add("--out", type=folder, help="folder to write to; default: only print")
    names = list(task.candidates)
    add("--networks", nargs="+", choices=names, default=names, help="of the task")
    add("--threads", type=at_least(1), default=threads, help="threads on the CPU")
    add("--repetitions", type=at_least(2), default=10, help="turns of each network")
    add("--warmup", type=at_least(0), default=5, help="calls before the first turn")
    add(
        "--profile",
        action="store_true",
        help="tell where the time of a call goes, in the place of the measurement",
    )
    add("--rows", type=at_least(1), default=15, help="lines of a profile's table")
    return parser, task


class _Nothing:
    """What a missing number looks like, whatever its format."""

    def __format__(self, spec: str) -> str:
        return ""


class Page:
    """A page, and its numbers as JSON, printed and written piece by piece.

    What has been measured is there, whatever becomes of the rest.

    Args:
        folder: Where ``NAME.md`` and ``NAME.json`` are written, or None.
        name: Their name.
        facts: What the page starts with: the machine and what is measured.
        columns: Titles of a table's columns, with the formats of their cells.
    """

    def __init__(
        self,
        folder: Path | None,
        name: str,
        facts: Mapping[str, object],
        columns: Mapping[str, str] | None = None,
    ) -> None:
        self.path = None if folder is None else folder / name
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self.columns = columns or {}
        self.text = ""
        self.numbers: dict[str, Any] = dict(machine=facts, rows=[], failures=[])
        self.add(*(f"{key}: {value}  " for key, value in facts.items()), "")
        if columns:
            rules = ("---:" if ":." in cell else "---" for cell in columns.values())
            self.add(table_line(columns), table_line(rules))

    def add(self, *lines: str) -> None:
        """Add lines."""
        text = "".join(f"{line}\n" for line in lines)
        print(text, end="", flush=True)
        self.text += text
        if self.path is not None:
            self.path.with_suffix(".md").write_text(self.text)
            numbers = json.dumps(self.numbers, indent=1)
            self.path.with_suffix(".json").write_text(f"{numbers}\n")

    def add_titles(self, titles: Sequence[str], texts: int = 1) -> None:
        """Start a table, the first columns of which hold texts, the others numbers."""
        rules = ["---"] * texts + ["---:"] * (len(titles) - texts)
        self.add(table_line(titles), table_line(rules))

    def record(self, timing: Timing, **numbers: Any) -> None:
        """Keep numbers for the JSON."""
        self.numbers["rows"].append(numbers | dict(timing=timing._asdict()))

    def add_row(self, timing: Timing, **numbers: Any) -> None:
        """Add a line to the table, and its numbers."""
        self.record(timing, **numbers)
        known = {k: _Nothing() if v is None else v for k, v in numbers.items()}
        cells = (c.format(timing=timing, **known) for c in self.columns.values())
        self.add(table_line(cells))

    def fail(self, what: str, error: Exception) -> None:
        """Tell on standard error what cannot be run, which is a result."""
        message = f"{what}: {type(error).__name__}: {error}"
        self.numbers["failures"].append(message)
        print(message, file=sys.stderr, flush=True)


def table_line(cells: Iterable[str]) -> str:
    """Write a line of a table."""
    return f"| {' | '.join(cells)} |"
