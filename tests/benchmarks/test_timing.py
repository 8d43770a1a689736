"""Calls take turns, and their times are summed up as they are."""

from functools import partial

import pytest
import torch

from benchmarks.timing import Timing, interleave, peak_memory, process_memory


def test_calls_are_interleaved():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    timings = interleave(calls, repetitions=3, warmup=1)
    assert "".join(order) == "ab" + "ababab"
    order.clear()
    interleave(calls, repetitions=2, warmup=0, burst=3)
    assert "".join(order) == "aaabbb" * 2
    for timing in timings.values():
        assert timing.best <= timing.low <= timing.median <= timing.high
    with pytest.raises(ValueError, match="repetitions must be at least 2, got 1"):
        interleave(calls, repetitions=1, warmup=0)
    with pytest.raises(ValueError, match="burst must be at least 1, got 0"):
        interleave(calls, repetitions=2, warmup=0, burst=0)


def test_memory_of_known_tensors():
    """By PyTorch's count, of what is held at a time; and by the system's."""
    held: list[torch.Tensor] = []
    assert peak_memory(lambda: held.append(torch.ones(2**20)), "cpu") == 4
    assert peak_memory(lambda: [torch.ones(2**20) for _ in range(4)], "cpu") == 16
    assert peak_memory(lambda: [torch.ones(2**20).sum() for _ in "abcd"], "cpu") < 5
    assert 64 <= process_memory(partial(_ones, 2**24), 1) < 80


def _ones(numbers, threads):
    return partial(torch.ones, numbers)


def test_timing_of_known_times():
    assert Timing.of([1.0, 2.0, 3.0]) == Timing(2.0, 1.5, 2.5, 1.0)
