"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable


def print_table(header: list[str], rows: Iterable[list[str]]) -> None:
    """Print a table in Markdown, without its empty columns.

    The first column is set to the left, others to the right.
    """
    columns = [column for column in zip(header, *rows) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    rule = ["-" * (w - 1) + ":" for w in widths]
    rule[0] = "-" * widths[0]
    lines = list(zip(*columns))
    for row in (lines[0], rule, *lines[1:]):
        first, *others = (
            cell.ljust(w) if k == 0 else cell.rjust(w)
            for k, (cell, w) in enumerate(zip(row, widths))
        )
        print("| " + " | ".join((first, *others)) + " |", flush=True)
