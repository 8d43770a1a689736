"""Time calls in turn, and describe the machine that ran them."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch

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


def peak_memory(call: Call, device: str) -> float | None:
    """Measure the most memory that PyTorch holds on a CUDA device during a call.

    Returns:
        MiB beyond those held before the call, or None on other devices.
    """
    if device != "cuda":
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


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
