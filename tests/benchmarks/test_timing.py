"""Calls take turns, and their times are summed up as they are."""

import pytest

from benchmarks.timing import Timing, interleave


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


def test_timing_of_known_times():
    assert Timing.of([1.0, 2.0, 3.0]) == Timing(2.0, 1.5, 2.5, 1.0)
