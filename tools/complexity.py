"""Print parameters, FLOPs and multiply-accumulates of a config's network, by part.

    python tools/complexity.py configs/pose/litehrnet_18_coco_256x192.py
    python tools/complexity.py CONFIG --input-size 384 288
    python tools/complexity.py --paper

The last prints every row of the papers' tables as measured here, and fails if one is
off; it is for a checkout.
"""

from __future__ import annotations

import argparse
import operator
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from torch import nn

from counting import (
    MEBI,
    call_on,
    count_parameters,
    multiply_accumulates,
    paper_flops,
)
from mmlitehrnet.apis.model import config_input_size, load_config, network_from_config

PAPER_TABLES = Path(__file__).with_name("paper_tables.py")
NOTE = """\
papers' MFLOPs: the papers' counter, in units of 2^20; functional calls count nothing,
and a module that is called twice counts once. MACs: all that convolutions and matrix
products execute, in millions."""


class Cost(NamedTuple):
    """What a network or a part of it costs on a batch of one.

    Attributes:
        params: Number of parameters.
        flops: Operations as the papers count them, see ``paper_flops``.
        macs: Multiply-accumulates that are executed.
    """

    params: int = 0
    flops: int = 0
    macs: int = 0


#: Name of a module inside the backbone -> part, first match; `\1` is the first group.
PARTS = (
    (r"(?:stem|conv\d|bn\d|norm\d|relu)(?:\.|$)", "stem"),
    (r"(stage\d+)\.\d+\.(?:layers|branches)\.", r"\1 blocks"),
    (r"(stage\d+)\.", r"\1 fusions"),
    (r"(\w+)", r"\1"),
)


def part_of(module: str) -> str:
    """Name the part of a network that a module belongs to.

    Args:
        module: Name of the module, as ``backbone.stage0.1.fuse_layers.1.0``.

    Returns:
        'stem', 'transition0', 'stage0 blocks', 'stage0 fusions', 'head_layer' and so
        on for modules of the backbone; else the first word of the name.
    """
    top, _, inside = module.partition(".")
    if top != "backbone":
        return top
    for pattern, part in PARTS:
        match = re.match(pattern, inside)
        if match:
            return match.expand(part)
    return top


def measure(model: nn.Module, run: Callable[[], object]) -> dict[str, Cost]:
    """Measure a network part by part.

    Args:
        model: A network whose backbone is called ``backbone``.
        run: Calls it on a batch of one.

    Returns:
        Part (see :func:`part_of`) to cost, in the order in which they are built. Parts
        that only training uses cost parameters, but no operations.
    """
    counts = [count_parameters(model), paper_flops(model, run)]
    counts.append(multiply_accumulates(model, run))
    parts: dict[str, Cost] = {}
    for name, _ in model.named_modules():
        cost = Cost(*(count.get(name, 0) for count in counts))
        if any(cost):
            part = part_of(name)
            parts[part] = Cost(*map(operator.add, parts.get(part, Cost()), cost))
    return parts


def total(parts: dict[str, Cost]) -> Cost:
    """Sum of the costs of all parts."""
    return Cost(*map(sum, zip(*parts.values())))


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", help="pose or segmentation config")
    parser.add_argument(
        "--input-size",
        nargs=2,
        type=int,
        metavar=("H", "W"),
        help="height and width of the image; default: the config's",
    )
    parser.add_argument("--paper", action="store_true", help="the papers' tables")
    args = parser.parse_args()
    if args.paper == (args.config is not None):
        parser.error("give either a config or --paper")
    if args.paper and args.input_size:
        parser.error("--paper has its own input sizes")
    if args.input_size and min(args.input_size) < 1:
        parser.error("--input-size needs two positive numbers")
    if args.paper and not PAPER_TABLES.exists():
        parser.error(f"--paper is for a checkout: there is no {PAPER_TABLES}")
    return args


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


def show_config(path: str, size: list[int] | None) -> None:
    """Print what the network of a config costs, part by part."""
    cfg = load_config(path)
    height, width = size or config_input_size(cfg)
    network = network_from_config(cfg)
    parts = measure(network, call_on(network, (height, width)))

    def row(name: str, cost: Cost) -> list[str]:
        return [
            name,
            f"{cost.params:,}",
            f"{cost.flops / MEBI:.2f}",
            f"{cost.macs / 1e6:.2f}",
        ]

    print(f"{path}, one image of {height}x{width}\n")
    print_table(
        ["part", "parameters", "papers' MFLOPs", "million MACs"],
        [row(*part) for part in parts.items()] + [row("total", total(parts))],
    )
    print(f"\n{NOTE}")


def show_paper() -> bool:
    """Print the papers' tables as measured here; tell whether all rows agree."""
    import paper_tables  # The wheel has none.

    titles = {
        "Networks of the two papers": paper_tables.NETWORKS,
        "Groups and kernels of Dite-HRNet-18": paper_tables.DITE_CELLS,
    }
    off = []
    for title, networks in titles.items():
        results = [result for row in networks for result in paper_tables.compare(row)]
        print(f"{title}: MFLOPs as the papers count them (2^20 operations)\n")
        print_table(paper_tables.HEADER, (result.cells for result in results))
        print()
        off += [result for result in results if not result.agrees]
    for result in off:
        print(
            f"off: {result.row.name} at {result.setting}: {result.params:,} parameters "
            f"(released {result.row.params:,}), {result.flops:.3f} MFLOPs"
        )
    return not off


def main() -> int:
    """Run the command line.

    Returns:
        0, 1 where a row of the papers is off, 2 where an argument is wrong.
    """
    args = parse_args()
    if args.paper:
        return 0 if show_paper() else 1
    try:
        show_config(args.config, args.input_size)
    except ValueError as error:
        print(f"complexity: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
