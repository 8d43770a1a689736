"""Measure latency side by side: these networks and what people use today.

    python -m benchmarks.inference --out work_dirs/inference
    python -m benchmarks.inference --runtimes onnxruntime --profile

All networks of a runtime take turns of a few calls in one process. Written are a table,
``inference.json`` and ``inference.png``, latency against the published AP. With
``--profile`` it is told where the time goes instead, operator by operator.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.command_line import Page, at_least, image_size, new_parser
from benchmarks.networks import BASELINE, CANDIDATES, TensorMode, variants
from benchmarks.plot import plot
from benchmarks.runtimes import RUNTIMES, Runtime, peak_gflops
from benchmarks.timing import Call, interleave, machine

#: Titles of the table's columns, and formats of their cells.
COLUMNS = {
    "runtime": "{runtime}",
    "size": "{size}",
    "batch": "{batch}",
    "network": "{network}",
    "median ms": "{timing.median:.2f}",
    "quartiles": "{timing.low:.2f}-{timing.high:.2f}",
    "best": "{timing.best:.2f}",
    f"{BASELINE} / this": "{ratio:.2f}",
    "of the machine's peak": "{share:.0%}",
}


class Setting(NamedTuple):
    """What networks are measured in.

    Attributes:
        runtime: Name of the runtime.
        size: Height and width of the images in pixels.
        batch: Number of images.
    """

    runtime: str
    size: tuple[int, int]
    batch: int

    @property
    def text(self) -> str:
        """The setting as a title's part."""
        return f"{self.runtime}, {_text(self.size)}, batch {self.batch}"

    def images(self) -> Tensor:
        """Make random images."""
        return torch.randn(self.batch, 3, *self.size)

    def networks(self, names: list[str]) -> Iterator[tuple[str, TensorMode]]:
        """Label and network of what the runtime is given."""
        for name in names:
            target = RUNTIMES[self.runtime].target
            yield from variants(name, self.size, target).items()


def measure(
    setting: Setting, args: argparse.Namespace, peak: float, page: Page
) -> dict[str, float]:
    """Measure all networks in one setting, interleaved.

    Args:
        setting: The setting.
        args: The command line.
        peak: What the machine could do, in 1e9 operations per second.
        page: Where the results go.

    Returns:
        Label of each network to its median in milliseconds.
    """
    runtime, images = RUNTIMES[setting.runtime], setting.images()
    calls: dict[str, Call] = {}
    limits: dict[str, float] = {}
    for label, network in setting.networks(args.networks):
        if label in CANDIDATES:  # As it is trained: what has to be computed.
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                network(images[:1])
            limit = counter.get_total_flops() * setting.batch / peak / 1e6
        limits[label] = limit
        try:
            calls[label] = runtime.start(network, images, args.threads)
        except Exception as error:
            page.fail(f"{label}, {setting.text}", error)
    timings = interleave(calls, args.repetitions, args.warmup, args.burst)
    for label, timing in timings.items():
        base = timings.get(BASELINE)
        page.add_row(
            timing,
            runtime=setting.runtime,
            network=label,
            size=_text(setting.size),
            batch=setting.batch,
            ratio=base.median / timing.median if base else None,
            limit=limits[label],
            share=limits[label] / timing.median,
        )
    return {label: timing.median for label, timing in timings.items()}


def measure_all(settings: list[Setting], args: argparse.Namespace) -> Page:
    """Write a table and a picture."""
    runtimes = {_kind(RUNTIMES[name]): RUNTIMES[name] for name in args.runtimes}
    peaks = {
        kind: peak_gflops(runtime.device, runtime.dtype, args.threads)
        for kind, runtime in runtimes.items()
    }
    facts = {
        **machine(),
        "threads": args.threads,
        "turns of each network": args.repetitions,
        "calls in a turn": args.burst,
        **{f"peak GFLOP/s, {kind}": round(peak, 1) for kind, peak in peaks.items()},
    }
    page = Page(args.out, "inference", facts, COLUMNS)
    drawn: dict[str, dict[str, float]] = {}
    for setting in settings:
        peak = peaks[_kind(RUNTIMES[setting.runtime])]
        medians = measure(setting, args, peak, page)
        if (setting.batch, setting.size) == (1, (256, 192)):
            drawn[setting.runtime] = medians
    if args.out and drawn:
        plot(drawn, args.out / "inference.png")
    return page


def profile_all(settings: list[Setting], args: argparse.Namespace) -> Page:
    """Write a table of operators for each network in each setting."""
    page = Page(args.out, "profile", machine() | dict(threads=args.threads))
    for setting in settings:
        runtime, images = RUNTIMES[setting.runtime], setting.images()
        for label, network in setting.networks(args.networks):
            try:
                table = runtime.profile(network, images, args.threads, args.rows)
            except Exception as error:
                page.fail(f"{label}, {setting.text}", error)
            else:
                page.add(f"### {label}, {setting.text}", "", table, "")
    return page


def _kind(runtime: Runtime) -> str:
    return f"{runtime.device} {str(runtime.dtype).removeprefix('torch.')}"


def _text(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = new_parser(__doc__, list(CANDIDATES), threads=2)
    cuda = torch.cuda.is_available()
    usual = ["pytorch", "onnxruntime", "openvino"] + ["cuda", "cuda-graph"] * cuda
    sizes = [(256, 192), (384, 288)]
    add = parser.add_argument
    add("--runtimes", nargs="+", choices=list(RUNTIMES), default=usual)
    add("--sizes", nargs="+", type=image_size, default=sizes, metavar="HEIGHTxWIDTH")
    add("--batches", nargs="+", type=at_least(1), default=[1, 8])
    add("--burst", type=at_least(1), default=5, help="calls in each turn")
    args = parser.parse_args(arguments)
    on_cuda = [name for name in args.runtimes if RUNTIMES[name].device == "cuda"]
    if on_cuda and not cuda:
        parser.error(f"--runtimes {' '.join(on_cuda)}: PyTorch finds no CUDA device")
    return args


def main(arguments: list[str] | None = None) -> int:
    """Measure or profile, print and write; return 1 if something cannot be run."""
    args = parse_args(arguments)
    torch.set_num_threads(args.threads)
    choices = product(args.runtimes, args.sizes, args.batches)
    settings = [Setting(*choice) for choice in choices]
    page = (profile_all if args.profile else measure_all)(settings, args)
    return int(bool(page.numbers["failures"]))


if __name__ == "__main__":
    sys.exit(main())
