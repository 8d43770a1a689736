"""Where ONNX Runtime's and OpenVINO's time goes, operator by operator."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from torch import Tensor

#: (kind of operator, name of its node, milliseconds)
Timed = tuple[str, str, float]


class OperatorShare(NamedTuple):
    """What the nodes of one kind take.

    Attributes:
        kind: Kind of operator.
        nodes: How many nodes of the graph are of this kind.
        time: Milliseconds of all of them: the sum of each node's median.
    """

    kind: str
    nodes: int
    time: float


def _onnxruntime(
    path: Path, images: Tensor, num_threads: int, runs: int
) -> list[Timed]:
    import onnxruntime

    with TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        inputs = {session.get_inputs()[0].name: images.numpy()}
        for _ in range(runs):
            session.run(None, inputs)
        events = json.loads(Path(session.end_profiling()).read_text())
    suffix = "_kernel_time"
    return [
        (event["args"]["op_name"], event["name"], event["dur"] / 1e3)
        for event in events
        if event.get("cat") == "Node" and event["name"].endswith(suffix)
    ]


def _openvino(path: Path, images: Tensor, num_threads: int, runs: int) -> list[Timed]:
    import openvino

    options = {
        "INFERENCE_NUM_THREADS": num_threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "PERF_COUNT": True,
    }
    request = openvino.Core().compile_model(path, "CPU", options).create_infer_request()
    found = []
    for _ in range(runs):
        request.infer({0: images.numpy()}, share_inputs=True)
        found += [
            (
                f"{info.node_type}, {info.exec_type}",
                info.node_name,
                info.real_time.total_seconds() * 1e3,
            )
            for info in request.get_profiling_info()
            if info.status == info.status.EXECUTED
        ]
    return found


#: Runtime -> ``profile(path, images, num_threads, runs)``.
PROFILERS: dict[str, Callable[[Path, Tensor, int, int], list[Timed]]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}


def profile_operators(
    runtime: str, path: str | Path, images: Tensor, num_threads: int, runs: int = 50
) -> list[OperatorShare]:
    """Run an ONNX file and add up the time of its nodes by their kind.

    Args:
        runtime: 'onnxruntime' or 'openvino'.
        path: The file.
        images: Images (N, 3, H, W), float32.
        num_threads: Threads on the CPU.
        runs: How often it is run.

    Returns:
        The kinds of operators, the one that takes longest first.

    Raises:
        ValueError: If there is no such runtime.
    """
    if runtime not in PROFILERS:
        raise ValueError(f"runtime must be one of {sorted(PROFILERS)}, got {runtime!r}")
    times = defaultdict(list)
    for kind, node, time in PROFILERS[runtime](Path(path), images, num_threads, runs):
        times[kind, node].append(time)
    nodes: Counter[str] = Counter(kind for kind, _ in times)
    totals: Counter[str] = Counter()
    for (kind, _), values in times.items():
        totals[kind] += median(values)
    return [OperatorShare(kind, nodes[kind], t) for kind, t in totals.most_common()]
