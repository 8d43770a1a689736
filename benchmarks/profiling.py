"""Where the time of a call goes, by PyTorch's profiler."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.latency import Call


class Share(NamedTuple):
    """What one operator takes of a call.

    Attributes:
        operator: Its name.
        calls: How often it is called.
        time: Its own time in milliseconds, on the device, all calls together.
        share: That time relative to the time of all operators.
    """

    operator: str
    calls: float
    time: float
    share: float


class Profile(NamedTuple):
    """Where the time of a call goes.

    Attributes:
        shares: Operators, the one that takes longest first.
        time: Time of all operators on the device in milliseconds.
        launches: Kernels that are launched on the CUDA device; 0 on the CPU.
    """

    shares: list[Share]
    time: float
    launches: float


def profile_call(call: Call, device: torch.device, repetitions: int = 3) -> Profile:
    """Profile a call.

    Args:
        call: What to profile; it waits for the device itself.
        device: Where it computes.
        repetitions: Calls to average over, after one that does not count.
    """
    on_cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_cuda
    call()
    with profile(activities=activities) as profiler:
        for _ in range(repetitions):
            call()
    # Kernels are counted with the operators that launch them.
    events = [
        event
        for event in profiler.key_averages()
        if event.device_type == DeviceType.CPU
    ]
    times = {event.key: _own_time(event, on_cuda) / repetitions for event in events}
    total = sum(times.values())
    shares = [
        Share(
            event.key, event.count / repetitions, times[event.key],
            times[event.key] / total if total else 0.0,
        )
        for event in events
    ]  # fmt: skip
    launches = sum(len(event.kernels) for event in profiler.events()) / repetitions
    return Profile(sorted(shares, key=lambda s: -s.time), total, launches)


def _own_time(event, on_cuda: bool) -> float:
    """Own time of an operator on the device in milliseconds."""
    if not on_cuda:
        return event.self_cpu_time_total / 1e3
    # Named for CUDA until torch 2.3.
    time = getattr(event, "self_device_time_total", None)
    return (event.self_cuda_time_total if time is None else time) / 1e3
