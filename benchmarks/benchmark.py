"""Measure latency side by side: these networks and what people use today.

    python -m benchmarks.benchmark --out work_dirs/benchmark

Every runtime measures all networks in one process, which take turns of a few calls.
Written are a table, ``benchmark.json`` and ``benchmark.png``, latency against the
published AP.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from benchmarks.candidates import BASELINE, CANDIDATES, build
from benchmarks.latency import (
    RUNTIMES,
    TensorMode,
    Timing,
    interleave,
    machine,
    peak_gflops,
    threads,
)
from mmlitehrnet.analysis.complexity import multiply_accumulates
from mmlitehrnet.apis.command_line import at_least, folder
from mmlitehrnet.deploy import deploy_model

SIZES = {"256x192": (256, 192), "384x288": (384, 288)}


def forms(name: str, target: str, size: str, batch: int) -> dict[str, nn.Module]:
    """The forms of a network in which a runtime is given it."""
    candidate = CANDIDATES[name]
    model = build(candidate, SIZES[size])
    if not candidate.ours:
        return {name: model}
    deployed = deploy_model(model, target, batch_size=batch)
    return {name: model, f"{name}, deployed": deployed}


class Row(NamedTuple):
    """One result."""

    runtime: str
    network: str
    size: str
    batch: int
    timing: Timing
    ratio: float
    limit: float

    def as_dict(self) -> dict:
        """For JSON."""
        return {**self._asdict(), "timing": self.timing._asdict()}


def measure(
    runtime: str,
    names: list[str],
    size: str,
    batch: int,
    args: argparse.Namespace,
    peak: float,
) -> list[Row]:
    """Measure all networks on one runtime, interleaved."""
    images = torch.randn(batch, 3, *SIZES[size])
    calls: dict[str, Callable] = {}
    limits: dict[str, float] = {}
    for name in names:
        plain = None
        for label, model in forms(name, RUNTIMES[runtime].target, size, batch).items():
            if plain is None:
                network = TensorMode(model)
                with torch.no_grad():
                    macs = multiply_accumulates(
                        network, lambda network=network: network(images[:1])
                    )
                plain = 2 * sum(macs.values()) * batch / peak / 1e6
            limits[label] = plain
            try:
                calls[label] = RUNTIMES[runtime].prepare(model, images, args.threads)
            except Exception as error:  # A runtime that cannot run it is a result.
                print(f"{runtime}: {label}: {error}", file=sys.stderr)
    timings = interleave(calls, args.repetitions, args.warmup, args.burst)
    base = timings.get(BASELINE)
    return [
        Row(
            runtime, label, size, batch, timing,
            base.median / timing.median if base else float("nan"), limits[label],
        )
        for label, timing in timings.items()
    ]  # fmt: skip


HEADER = (
    "| runtime | size | batch | network | median ms | quartiles | best | "
    f"{BASELINE} / this | of the machine's peak |\n"
    "| --- | --- | ---: | --- | ---: | --- | ---: | ---: | ---: |"
)


def line(row: Row) -> str:
    """A line of the table."""
    t = row.timing
    return (
        f"| {row.runtime} | {row.size} | {row.batch} | {row.network} | "
        f"{t.median:.2f} | {t.low:.2f}-{t.high:.2f} | {t.best:.2f} | {row.ratio:.2f} | "
        f"{row.limit / t.median:.0%} |"
    )


def plot(rows: list[Row], path: Path) -> None:
    """Draw latency at batch 1, 256x192, against the published AP."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    rows = [row for row in rows if row.batch == 1 and row.size == "256x192"]
    runtimes = list(dict.fromkeys(row.runtime for row in rows))
    if not runtimes:
        return
    figure, axes = pyplot.subplots(
        1, len(runtimes), figsize=(5.5 * len(runtimes), 5), squeeze=False
    )
    for axis, runtime in zip(axes[0], runtimes):
        for row in rows:
            if row.runtime != runtime:
                continue
            name = row.network.removesuffix(", deployed")
            deployed = name != row.network
            ap = CANDIDATES[name].ap
            ours = CANDIDATES[name].ours
            color = "tab:red" if deployed else "tab:orange" if ours else "tab:gray"
            axis.scatter(row.timing.median, ap, color=color)
            below = ours and not deployed
            axis.annotate(
                row.network, (row.timing.median, ap), fontsize=6,
                xytext=(3, -8 if below else 3), textcoords="offset points",
            )  # fmt: skip
        axis.set(
            title=runtime, xlabel="median latency, ms", ylabel="COCO AP", xscale="log"
        )
        axis.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(ticker.ScalarFormatter())
        axis.xaxis.set_minor_formatter(ticker.NullFormatter())
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=folder, required=True, help="folder to write to")
    parser.add_argument(
        "--runtimes",
        nargs="+",
        choices=list(RUNTIMES),
        default=["pytorch", "onnxruntime", "openvino"]
        + ["cuda", "cuda-graph"] * torch.cuda.is_available(),
    )
    parser.add_argument(
        "--networks", nargs="+", choices=list(CANDIDATES), default=list(CANDIDATES)
    )
    parser.add_argument(
        "--sizes", nargs="+", choices=list(SIZES), default=["256x192", "384x288"]
    )
    parser.add_argument("--batches", nargs="+", type=at_least(1), default=[1, 8])
    parser.add_argument("--threads", type=at_least(1), default=2)
    parser.add_argument(
        "--repetitions", type=at_least(2), default=10, help="turns of each network"
    )
    parser.add_argument(
        "--burst", type=at_least(1), default=5, help="calls in each turn"
    )
    parser.add_argument("--warmup", type=at_least(0), default=5)
    args = parser.parse_args(arguments)
    on_cuda = [name for name in args.runtimes if name.startswith("cuda")]
    if on_cuda and not torch.cuda.is_available():
        parser.error(f"--runtimes {' '.join(on_cuda)}: PyTorch finds no CUDA device")
    return args


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table and write the files."""
    args = parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    peaks = measure_peaks(args.runtimes, args.threads)
    description = {
        **machine(),
        "threads": args.threads,
        "turns of each network": args.repetitions,
        "calls in a turn": args.burst,
        **{f"peak GFLOP/s, {'/'.join(k)}": round(v, 1) for k, v in peaks.items()},
    }
    rows: list[Row] = []
    table = [*(f"{key}: {value}  " for key, value in description.items()), "", HEADER]
    print("\n".join(table))
    for runtime in args.runtimes:
        for size in args.sizes:
            for batch in args.batches:
                with threads(args.threads):
                    found = measure(
                        runtime, args.networks, size, batch, args,
                        peaks[RUNTIMES[runtime].peak],
                    )  # fmt: skip
                print("\n".join(map(line, found)), flush=True)
                rows += found
                # Each time: what comes next may not end.
                write(args.out, description, [*table, *map(line, rows)], rows)
    plot(rows, args.out / "benchmark.png")


def measure_peaks(runtimes: list[str], num_threads: int) -> dict[tuple, float]:
    """Measure what the machine could do, by the runtimes that show it."""
    sides = {RUNTIMES[name].peak: RUNTIMES[name].peak_side for name in runtimes}
    return {
        names: peak_gflops(num_threads, side, runtimes=names)
        for names, side in sides.items()
    }


def write(folder: Path, description: dict, lines: list[str], rows: list[Row]) -> None:
    """Write the table and its numbers."""
    (folder / "benchmark.md").write_text("\n".join(lines) + "\n")
    result = {"machine": description, "rows": [row.as_dict() for row in rows]}
    (folder / "benchmark.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
