r"""Measure training throughput side by side: these networks and MMPose's LiteHRNet.

    python -m benchmarks.benchmark_training --batch 64 --modes eager compile \
        --out work_dirs/training

All networks in all modes take their steps in turn, in one process. A step is forward,
loss, backward and Adam on images that are on the device already. Written are a table
and ``training.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.candidates import BASELINE, CANDIDATES, build
from benchmarks.latency import (
    Timing,
    interleave,
    machine,
    peak_memory,
    threads,
)
from benchmarks.training import MODES, check_mode, training_step
from mmlitehrnet.apis.command_line import at_least, device, folder, side


class Row(NamedTuple):
    """One result.

    Attributes:
        mode: How the steps were run.
        network: Whose steps.
        batch: Images in a step.
        timing: Milliseconds of a step.
        rate: Images per second, at the median.
        ratio: Time of the baseline in the same mode over this time.
        eager_ratio: Time of the baseline in mode ``eager`` over this time.
        memory: Bytes that a step needs beyond weights and optimizer, on CUDA.
    """

    mode: str
    network: str
    batch: int
    timing: Timing
    rate: float
    ratio: float | None
    eager_ratio: float | None
    memory: int | None

    def as_dict(self) -> dict:
        """For JSON."""
        return {**self._asdict(), "timing": self.timing._asdict()}


def measure(args: argparse.Namespace, batch: int) -> list[Row]:
    """Measure all networks in all modes, interleaved."""
    images = torch.randn(batch, 3, *args.size, device=args.device)
    steps, memory = {}, {}
    for mode in args.modes:
        for name in args.networks:
            torch.manual_seed(0)
            model = build(CANDIDATES[name], args.size).to(args.device)
            try:
                step = training_step(model, images, check_mode(mode, args.device))
                step()  # Compiles, and makes the optimizer's state.
                memory[mode, name] = peak_memory(step, args.device)
            except Exception as error:  # A mode that cannot be run is a result.
                print(f"{mode}: {name}: {error}", file=sys.stderr)
            else:
                steps[mode, name] = step
    timings = interleave(steps, args.repetitions, args.warmup)

    def ratio(base: tuple[str, str], timing: Timing) -> float | None:
        return timings[base].median / timing.median if base in timings else None

    return [
        Row(
            mode, name, batch, timing, 1e3 * batch / timing.median,
            ratio((mode, BASELINE), timing), ratio(("eager", BASELINE), timing),
            memory[mode, name],
        )
        for (mode, name), timing in timings.items()
    ]  # fmt: skip


HEADER = (
    f"| batch | mode | network | median ms | quartiles | images/s | {BASELINE}, same "
    f"mode / this | {BASELINE}, eager / this | peak MiB |\n"
    "| ---: | --- | --- | ---: | --- | ---: | ---: | ---: | ---: |"
)


def line(row: Row) -> str:
    """A line of the table."""
    t = row.timing
    ratios = ("" if r is None else f"{r:.2f}" for r in (row.ratio, row.eager_ratio))
    memory = "" if row.memory is None else f"{row.memory / 2**20:.0f}"
    return (
        f"| {row.batch} | {row.mode} | {row.network} | {t.median:.1f} | "
        f"{t.low:.1f}-{t.high:.1f} | {row.rate:.1f} | {' | '.join(ratios)} | {memory} |"
    )


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=folder, help="folder to write to; default: none")
    parser.add_argument(
        "--device",
        type=device,
        default=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
    )
    parser.add_argument("--batch", nargs="+", type=at_least(2), default=[64])
    parser.add_argument(
        "--size", nargs=2, type=side, default=(256, 192), metavar=("H", "W")
    )
    parser.add_argument(
        "--networks",
        nargs="+",
        choices=list(CANDIDATES),
        default=[BASELINE, "Lite-HRNet-18"],
    )
    parser.add_argument(
        "--modes", nargs="+", choices=list(MODES), default=["eager", "channels-last"]
    )
    parser.add_argument("--threads", type=at_least(1), default=torch.get_num_threads())
    parser.add_argument("--repetitions", type=at_least(2), default=10)
    parser.add_argument("--warmup", type=at_least(0), default=2)
    args = parser.parse_args(arguments)
    try:
        for mode in args.modes:
            check_mode(mode, args.device)
    except ValueError as error:
        parser.error(str(error))
    return args


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table and write the files."""
    args = parse_args(arguments)
    description = {
        **machine(),
        "device": str(args.device),
        "threads": args.threads,
        "size": "x".join(map(str, args.size)),
        "repetitions": args.repetitions,
    }
    table = [*(f"{key}: {value}  " for key, value in description.items()), "", HEADER]
    print("\n".join(table))
    rows: list[Row] = []
    for batch in args.batch:
        with threads(args.threads):
            found = measure(args, batch)
        print("\n".join(map(line, found)), flush=True)
        rows += found
        if args.out is not None:  # After each batch size: a later one may not end.
            write(args.out, description, [*table, *map(line, rows)], rows)


def write(folder: Path, description: dict, lines: list[str], rows: list[Row]) -> None:
    """Write the table and its numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "training.md").write_text("\n".join(lines) + "\n")
    result = {"machine": description, "rows": [row.as_dict() for row in rows]}
    (folder / "training.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
