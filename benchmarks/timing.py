"""Time calls in turn, and describe the machine that ran them."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

import torch
from torch.profiler import ProfilerActivity, profile

Call = Callable[[], object]
Key = TypeVar("Key", bound=Hashable)


class Timing(NamedTuple):
    """How long calls took, in milliseconds.

    Attributes:
        median: Half of the calls were faster.
        low: A quarter of the calls were faster.
        high: A quarter of the calls were slower.
        best: The fastest call.
    """

    median: float
    low: float
    high: float
    best: float

    @classmethod
    def of(cls, times: list[float]) -> Timing:
        """Summarise times in milliseconds."""
        low, median, high = statistics.quantiles(times, n=4, method="inclusive")
        return cls(median, low, high, min(times))


def interleave(
    calls: Mapping[Key, Call], repetitions: int, warmup: int, burst: int = 1
) -> dict[Key, Timing]:
    """Time calls in turn, so that what disturbs the machine disturbs all alike.

    Args:
        calls: What to time.
        repetitions: How many turns each has; at least 2.
        warmup: How often each is called before.
        burst: How often each is called and timed in a turn. With 1, every call finds
            the caches full of what the others left; with more, they are warm as where
            a network runs on one image after the other.

    Raises:
        ValueError: If there are fewer than 2 repetitions, or bursts of less than 1.
    """
    if repetitions < 2:
        raise ValueError(f"repetitions must be at least 2, got {repetitions}")
    if burst < 1:
        raise ValueError(f"burst must be at least 1, got {burst}")
    times: dict[Key, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(warmup):
            call()
    for _ in range(repetitions):
        for name, call in calls.items():
            for _ in range(burst):
                start = time.perf_counter()
                call()
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: Timing.of(values) for name, values in times.items()}


def peak_memory(call: Call, device: str) -> float:
    """Measure the most memory that PyTorch holds during a call, by its own count.

    Args:
        call: What to measure.
        device: Where it computes: ``'cpu'`` or ``'cuda'``.

    Returns:
        MiB beyond those held before the call.
    """
    if device != "cuda":
        return _peak_memory_on_cpu(call)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def _peak_memory_on_cpu(call: Call) -> float:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    changes = [event["args"] for event in events if event["name"] == "[memory]"]
    before = changes[0]["Total Allocated"] - changes[0]["Bytes"] if changes else 0
    most = max((change["Total Allocated"] for change in changes), default=0)
    return (most - before) / 2**20


def process_memory(open_on: Callable[[int], Call], threads: int) -> float:
    """Measure the most memory that a process takes to open a network and call it.

    Args:
        open_on: Gives a call on so many threads; it is sent to a new process.
        threads: Threads of the call.

    Returns:
        MiB beyond what the process held before, which had imported PyTorch. They are
        read from Linux's ``/proc``.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_process_memory, (open_on, threads))


def _process_memory(open_on: Callable[[int], Call], threads: int) -> float:
    before = _status("VmRSS")
    call = open_on(threads)
    call()
    call()
    return (_status("VmHWM") - before) / 2**10


def _status(key: str) -> int:
    """What Linux knows of this process, in KiB."""
    text = Path("/proc/self/status").read_text()
    (kib,) = re.findall(rf"^{key}:\s+(\d+) kB$", text, re.M)
    return int(kib)


def machine() -> dict[str, str]:
    """Describe the machine and the versions of Python and the runtimes."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        names = [line.split(":", 1)[1] for line in lines if "model name" in line]
        flags = next((line for line in lines if line.startswith("flags")), "")
        sets = [s for s in ("avx512f", "avx2") if s in flags]
        processor = " ".join([*(name.strip() for name in names[:1]), *sets[:1]])
    found = {
        "processor": processor,
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    for name in ("onnxruntime", "openvino"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found
