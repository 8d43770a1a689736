"""Measure latency side by side: these networks and what people use today.

    python -m benchmarks.inference --out work_dirs/inference
    python -m benchmarks.inference --runtimes onnxruntime --profile
    python -m benchmarks.inference --persons 1 2 4 8 16
    python -m benchmarks.inference --task seg --out work_dirs/inference_seg
    python -m benchmarks.inference --task seg --memory

All networks of a runtime take turns of a few calls in one process, on one thread, on
all, and side by side in streams of one thread each. Written are a table,
``inference.json`` and ``inference.png``, latency against the published AP or mIoU.
With ``--profile`` it is told where the time goes instead, operator by operator; with
``--memory`` the most that a process takes for one network; with ``--persons`` how long
it takes from an image and so many boxes to keypoints, by what people run: the runner,
MMPose's ``inference_topdown``, rtmlib for RTMPose.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.command_line import Page, at_least, image_size, new_parser, table_line
from benchmarks.networks import TASKS, TensorMode, variants
from benchmarks.persons import measure_persons
from benchmarks.plot import plot, points
from benchmarks.runtimes import RUNTIMES, OpenOn, Runtime, peak_gflops
from benchmarks.timing import Call, Timing, interleave, machine, process_memory


class Way(NamedTuple):
    """How a network is given the threads.

    Attributes:
        threads: Threads that one call computes on.
        streams: Calls side by side.
    """

    threads: int
    streams: int = 1

    def __str__(self) -> str:
        """Name it in a table."""
        if self.streams > 1:
            return f"{self.streams} streams"
        return f"{self.threads} thread{'s' * (self.threads > 1)}"

    @property
    def unit(self) -> str:
        """What a table says of it: milliseconds of a call, or images a second."""
        return "images/s" if self.streams > 1 else "ms"

    def open(self, open_on: OpenOn) -> Call:
        """Open a network; a call is one of each stream."""
        if self.streams == 1:
            return open_on(self.threads)
        calls = [open_on(self.threads) for _ in range(self.streams)]
        pool = ThreadPoolExecutor(self.streams)
        return lambda: list(pool.map(lambda call: call(), calls))


def ways(runtime: Runtime, threads: int, streams: int | None = None) -> list[Way]:
    """One thread, all of them together, and in streams, by default as many."""
    if runtime.device != "cpu" or threads == 1:
        return [Way(threads)]
    streams = streams or threads
    return [Way(1), Way(threads)] + [Way(1, streams)] * (streams > 1)


class Setting(NamedTuple):
    """What networks are measured in.

    Attributes:
        runtime: Name of the runtime.
        size: Height and width of the images in pixels.
        batch: Number of images.
        task: What the networks are for.
    """

    runtime: str
    size: tuple[int, int]
    batch: int
    task: str = "pose"

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
            yield from variants(name, self.size, target, self.task).items()


def prepare_all(
    setting: Setting, args: argparse.Namespace, page: Page
) -> tuple[dict[str, OpenOn], dict[str, float]]:
    """Prepare all networks of a setting.

    Returns:
        Label to what opens the network, and label to the floating-point operations of
        a batch. What cannot be run is told on the page.
    """
    runtime, images = RUNTIMES[setting.runtime], setting.images()
    found: dict[str, OpenOn] = {}
    operations: dict[str, float] = {}
    for label, network in setting.networks(args.networks):
        if label in args.networks:  # As it is trained: what has to be computed.
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                network(images[:1])
            flops = counter.get_total_flops() * setting.batch
        operations[label] = flops
        try:
            found[label] = runtime.prepared(network, images)
        except Exception as error:
            page.fail(f"{label}, {setting.text}", error)
    return found, operations


def measure(
    setting: Setting, args: argparse.Namespace, peak: float, page: Page
) -> None:
    """Measure all networks in one setting, interleaved, one way after the other.

    Args:
        setting: The setting.
        args: The command line.
        peak: What the machine could do, in 1e9 operations per second.
        page: Where the results go: medians as a table, and everything as JSON.
    """
    prepared, operations = prepare_all(setting, args, page)
    found = ways(RUNTIMES[setting.runtime], args.threads, args.streams)
    timings: dict[tuple[str, Way], Timing] = {}
    for way in found:
        calls: dict[tuple[str, Way], Call] = {}
        for label, open_on in prepared.items():
            try:
                calls[label, way] = way.open(open_on)
            except Exception as error:
                page.fail(f"{label}, {way}, {setting.text}", error)
        timings |= interleave(calls, args.repetitions, args.warmup, args.burst)
    baseline = TASKS[setting.task].baseline
    titles = ["network", *(f"{way}: {way.unit}" for way in found)]
    page.add(f"### {setting.text}", "", f"In parentheses: {baseline} / this.", "")
    page.add_titles(titles)
    for label in dict.fromkeys(label for label, _ in timings):
        cells = [label]
        for way in found:
            if (label, way) not in timings:
                cells.append("")
                continue
            timing, base = timings[label, way], timings.get((baseline, way))
            ratio = base.median / timing.median if base else None
            rate = 1e3 * setting.batch * way.streams / timing.median
            cell = f"{timing.median:.2f}"
            if way.streams > 1:
                cell = f"{rate:.{int(rate < 30)}f}"
            cells.append(f"{cell} ({ratio:.2f})" if ratio else cell)
            page.record(
                timing,
                runtime=setting.runtime,
                size=_text(setting.size),
                batch=setting.batch,
                network=label,
                **way._asdict(),
                rate=rate,
                ratio=ratio,
                limit=operations[label] * way.streams / peak / 1e6,
            )
        page.add(table_line(cells))
    page.add("")


def measure_all(settings: list[Setting], args: argparse.Namespace) -> Page:
    """Write a table and a picture."""
    runtimes = {_kind(RUNTIMES[name]): RUNTIMES[name] for name in args.runtimes}
    peaks = {
        kind: peak_gflops(runtime.device, runtime.dtype, args.threads)
        for kind, runtime in runtimes.items()
    }
    facts = {
        **machine(),
        "task": args.task,
        "threads": args.threads,
        "turns of each network": args.repetitions,
        "calls in a turn": args.burst,
        **{f"peak GFLOP/s, {kind}": round(peak, 1) for kind, peak in peaks.items()},
    }
    page = Page(args.out, "inference", facts)
    for setting in settings:
        peak = peaks[_kind(RUNTIMES[setting.runtime])]
        measure(setting, args, peak, page)
    task = TASKS[args.task]
    found = points(page.numbers["rows"], args.threads, task)
    if args.out and found:
        plot(found, args.out / "inference.png", task)
    return page


def measure_memory(settings: list[Setting], args: argparse.Namespace) -> Page:
    """Write a table of the memory that a process of one network takes."""
    page = Page(args.out, "memory", machine() | dict(threads=args.threads))
    page.add_titles(["network", "runtime", "size", "batch", "MiB"], texts=3)
    for setting in settings:
        runtime, images = RUNTIMES[setting.runtime], setting.images()
        size = _text(setting.size)
        for label, network in setting.networks(args.networks):
            try:
                mib = process_memory(runtime.opener(network, images), args.threads)
            except Exception as error:
                page.fail(f"{label}, {setting.text}", error)
            else:
                what = [label, setting.runtime, size, setting.batch]
                page.numbers["rows"].append([*what, mib])
                page.add(table_line([*map(str, what), f"{mib:.0f}"]))
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
    parser, task = new_parser(__doc__, arguments, threads=2)
    cuda = torch.cuda.is_available()
    usual = ["pytorch", "onnxruntime", "openvino"] + ["cuda", "cuda-graph"] * cuda
    add = parser.add_argument
    add("--runtimes", nargs="+", choices=list(RUNTIMES), default=usual)
    add(
        "--sizes",
        nargs="+",
        type=image_size,
        default=task.sizes,
        metavar="HEIGHTxWIDTH",
    )
    add("--batches", nargs="+", type=at_least(1), default=task.batches)
    add("--burst", type=at_least(1), default=5, help="calls in each turn")
    add("--streams", type=at_least(1), help="calls side by side; default: threads")
    add("--memory", action="store_true", help="of a process, in the place of time")
    add("--persons", nargs="+", type=at_least(1), help="boxes in an image")
    args = parser.parse_args(arguments)
    on_cuda = [name for name in args.runtimes if RUNTIMES[name].device == "cuda"]
    if on_cuda and not cuda:
        parser.error(f"--runtimes {' '.join(on_cuda)}: PyTorch finds no CUDA device")
    if on_cuda and args.memory:
        parser.error(f"--memory: runs on the CPU, not {' '.join(on_cuda)}")
    if args.persons and args.task != "pose":
        parser.error(f"--persons: is of --task pose, not {args.task}")
    return args


def main(arguments: list[str] | None = None) -> int:
    """Measure or profile, print and write; return 1 if something cannot be run."""
    args = parse_args(arguments)
    torch.set_num_threads(args.threads)
    if args.persons:
        return int(bool(measure_persons(args).numbers["failures"]))
    choices = product(args.runtimes, args.sizes, args.batches)
    settings = [Setting(*choice, args.task) for choice in choices]
    run = profile_all if args.profile else measure_all
    page = (measure_memory if args.memory else run)(settings, args)
    return int(bool(page.numbers["failures"]))


if __name__ == "__main__":
    sys.exit(main())
