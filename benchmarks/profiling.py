"""Where the time of a call goes, as a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import Any

from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.timing import Call, interleave, peak_memory

#: (kind of operator, name of the node, milliseconds) of one execution of a node.
NodeTime = tuple[str, str, float]


#: Operators that compute nothing, besides those whose results are views.
_FREE = {
    "_local_scalar_dense", "_unsafe_view", "empty", "empty_like", "empty_strided",
    "is_same_size", "lift_fresh", "new_empty", "new_empty_strided", "resize_",
}  # fmt: skip


class _Operators(TorchDispatchMode):
    """Counts what PyTorch is asked to compute, whatever the device does for it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        schema = function._schema
        aliases = [result.alias_info for result in schema.returns]
        view = any(alias is not None and not alias.is_write for alias in aliases)
        self.count += not view and schema.name.split("::")[1] not in _FREE
        return function(*args, **kwargs or {})


def count_operators(call: Call) -> int:
    """Count the operators of a call that is not compiled, backward passes included.

    On a GPU each launches a kernel or a few. Views are not counted.
    """
    with _Operators() as operators:
        call()
    return operators.count


def operator_table(call: Call, device: str, rows: int) -> str:
    """Profile a call with PyTorch's profiler.

    Args:
        call: What to profile; it waits for the device itself.
        device: Where it computes: ``'cpu'`` or ``'cuda'``.
        rows: Operators to list, those that take longest on the device.

    Returns:
        The profiler's table of one call, under a line with the time of a call that is
        not profiled, its memory and, on a CUDA device, its kernels.
    """
    on_cuda = device == "cuda"
    wall = interleave({"call": call}, repetitions=3, warmup=2)["call"].median
    facts = [f"{wall:.2f} ms a call without the profiler"]
    memory = peak_memory(call, device)
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_cuda
    with profile(activities=activities) as profiler:
        call()
    facts.append(f"{memory:.1f} MiB beyond what was held before")
    if on_cuda:
        kernels = sum(len(event.kernels) for event in profiler.events() or ())
        facts.append(f"{kernels} kernels")
    table = profiler.key_averages().table(
        sort_by="self_cuda_time_total" if on_cuda else "self_cpu_time_total",
        row_limit=rows,
        max_name_column_width=40,
    )
    return f"{', '.join(facts)}\n\n```\n{table.strip()}\n```"


def node_table(times: Iterable[NodeTime], rows: int) -> str:
    """Add up the times of a graph's nodes by their kind.

    Args:
        times: Times of the nodes in several runs.
        rows: Kinds to list, those that take longest.

    Returns:
        A table of the sums of the nodes' medians, under a line with all nodes' sum.
    """
    runs = defaultdict(list)
    for kind, node, time in times:
        runs[kind, node].append(time)
    kinds = defaultdict(list)
    for (kind, _), values in runs.items():
        kinds[kind].append(median(values))
    total = sum(map(sum, kinds.values()))
    lines = [f"{total:.2f} ms in {len(runs)} nodes", ""]
    lines += ["| operator | nodes | ms | share |", "| --- | ---: | ---: | ---: |"]
    for kind, medians in sorted(kinds.items(), key=lambda k: -sum(k[1]))[:rows]:
        time = sum(medians)
        lines.append(f"| {kind} | {len(medians)} | {time:.2f} | {time / total:.0%} |")
    return "\n".join(lines)
