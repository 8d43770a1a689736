"""Latency of networks, side by side on several runtimes."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

Call = Callable[[], object]
Prepare = Callable[[nn.Module, Tensor, int], Call]


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
        low, median, high = statistics.quantiles(times, n=4)
        return cls(median, low, high, min(times))


def interleave(
    calls: Mapping[str, Call], repetitions: int, warmup: int, burst: int = 1
) -> dict[str, Timing]:
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
    times: dict[str, list[float]] = {name: [] for name in calls}
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


#: Runtimes whose matrix products in float32 on the CPU may be the fastest.
CPU_FLOAT32 = ("pytorch", "onnxruntime")


def peak_gflops(
    num_threads: int,
    side: int = 1536,
    repetitions: int = 8,
    runtimes: tuple[str, ...] = CPU_FLOAT32,
) -> float:
    """Measure the best rate of a large matrix product, in 1e9 operations per second.

    Args:
        num_threads: Threads on the CPU.
        side: Rows and columns of the matrices.
        repetitions: How often each product is timed.
        runtimes: Who computes it; the fastest one counts.
    """
    calls: dict[str, Call] = {}
    product = _Product()
    a = torch.rand(side, side)
    with threads(num_threads):
        for name in runtimes:
            try:
                calls[name] = RUNTIMES[name].prepare(product, a, num_threads)
            except ImportError:
                continue
        timings = interleave(calls, repetitions, 2)
    return 2 * side**3 / min(t.best for t in timings.values()) / 1e6


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Run PyTorch on a number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine() -> dict[str, str]:
    """Describe the machine and the runtimes' versions."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        names = [line.split(":", 1)[1] for line in lines if "model name" in line]
        flags = next((line for line in lines if line.startswith("flags")), "")
        sets = [s for s in ("avx512f", "avx2") if s in flags]
        model = " ".join([*(name.strip() for name in names[:1]), *sets[:1]])
    found = {
        "processor": model,
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "torch": torch.__version__,
    }
    for name in ("onnxruntime", "openvino"):
        try:
            found[name] = __import__(name).__version__
        except ImportError:
            found[name] = "not installed"
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


class TensorMode(nn.Module):
    """An MMPose model as a map from images to the head's output."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> object:
        """Map images (N, 3, H, W) to heatmaps or coordinate distributions."""
        return self.model(x, None, mode="tensor")


def compile_network(network: nn.Module) -> nn.Module:
    """Compile a network, however many were compiled before.

    PyTorch stops compiling the same function after a few times. Here many networks
    share one, the forward pass of :class:`TensorMode`.
    """
    import torch._dynamo

    torch._dynamo.config.cache_size_limit = 1024
    return torch.compile(network)


class _Product(nn.Module):
    """The square of a matrix, called as a model."""

    def forward(self, x: Tensor, data_samples: None, mode: str) -> Tensor:
        return x @ x


def _eager(model: nn.Module, x: Tensor, num_threads: int) -> Call:
    network = TensorMode(model)

    def call() -> object:
        with torch.inference_mode():
            return network(x)

    return call


def _compiled(model: nn.Module, x: Tensor, num_threads: int) -> Call:
    network = compile_network(TensorMode(model))

    def call() -> object:
        with torch.no_grad():
            return network(x)

    call()  # Compiles.
    return call


def _exported(model: nn.Module, x: Tensor, folder: str) -> str:
    from mmlitehrnet.deploy.export import trace_to_onnx

    path = str(Path(folder) / "network.onnx")
    trace_to_onnx(TensorMode(model), x, path)
    return path


def _onnxruntime(model: nn.Module, x: Tensor, num_threads: int) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3
    # Otherwise a session's threads go on spinning into the next network's turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    with tempfile.TemporaryDirectory() as folder:
        session = onnxruntime.InferenceSession(
            _exported(model, x, folder), options, providers=["CPUExecutionProvider"]
        )
    inputs = {session.get_inputs()[0].name: x.numpy()}
    return lambda: session.run(None, inputs)


def _openvino(model: nn.Module, x: Tensor, num_threads: int) -> Call:
    import openvino

    options = {
        "INFERENCE_NUM_THREADS": num_threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    with tempfile.TemporaryDirectory() as folder:
        compiled = openvino.Core().compile_model(
            _exported(model, x, folder), "CPU", options
        )
    request = compiled.create_infer_request()
    inputs = {0: x.numpy()}
    return lambda: request.infer(inputs, share_inputs=True)


def _cuda_graph(model: nn.Module, x: Tensor, num_threads: int) -> Call:
    from mmlitehrnet.deploy.cuda_graph import CudaGraph

    graph = CudaGraph(TensorMode(model), x)
    return lambda: graph(x)


def _placed(
    prepare: Prepare, device: str, dtype: torch.dtype = torch.float32
) -> Prepare:
    """Put network and images on a device, in a precision, and wait for the device."""

    def prepare_there(model: nn.Module, x: Tensor, num_threads: int) -> Call:
        call = prepare(model.to(device, dtype), x.to(device, dtype), num_threads)

        def synchronised() -> object:
            result = call()
            torch.cuda.synchronize()
            return result

        return synchronised if device == "cuda" else call

    return prepare_there


def peak_memory(call: Call, device: torch.device) -> int | None:
    """Measure the most memory that PyTorch holds on a CUDA device during a call.

    Returns:
        Bytes beyond those held before the call, or None on other devices.
    """
    if device.type != "cuda":
        return None
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


class Runtime(NamedTuple):
    """Something that runs networks.

    Attributes:
        prepare: ``prepare(model, images, num_threads)`` gives a call to time.
        target: Which form of our networks it is given.
        peak: Runtimes whose matrix products show what the machine could do.
        peak_side: Size of the matrices for that.
    """

    prepare: Prepare
    target: str
    peak: tuple[str, ...] = CPU_FLOAT32
    peak_side: int = 1536


#: Name -> runtime.
RUNTIMES: dict[str, Runtime] = {
    "pytorch": Runtime(_eager, "pytorch"),
    "compile": Runtime(_compiled, "pytorch"),
    "onnxruntime": Runtime(_onnxruntime, "onnxruntime"),
    "openvino": Runtime(_openvino, "openvino"),
    "pytorch-bf16": Runtime(
        _placed(_eager, "cpu", torch.bfloat16), "pytorch", ("pytorch-bf16",)
    ),
}

#: How CUDA devices are used, and in which precisions of weights and maps.
_ON_CUDA = {"cuda": _eager, "cuda-compile": _compiled, "cuda-graph": _cuda_graph}
_PRECISIONS = {"": torch.float32, "-fp16": torch.float16, "-bf16": torch.bfloat16}
RUNTIMES |= {
    f"{name}{suffix}": Runtime(
        _placed(prepare, "cuda", dtype), "pytorch", (f"cuda{suffix}",), 8192
    )
    for name, prepare in _ON_CUDA.items()
    for suffix, dtype in _PRECISIONS.items()
}
