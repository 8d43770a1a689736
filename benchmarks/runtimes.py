"""Runtimes of networks: prepared to be timed, and asked where their time goes.

What only one of them needs is imported when it is used: a GPU machine may have none of
ONNX Runtime and OpenVINO.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.profiling import NodeTime, node_table, operator_table
from benchmarks.timing import Call, interleave

#: ``open_on(num_threads)`` gives a call to time, on so many threads of the CPU.
#: On the CPU it can be sent to another process, unless the network is compiled.
OpenOn = Callable[[int], Call]
#: ``prepare(network, images)`` gives an :data:`OpenOn`.
Prepare = Callable[[nn.Module, Tensor], OpenOn]


def compile_network(network: nn.Module) -> Callable[..., Any]:
    """Compile a network, however many were compiled before.

    PyTorch stops compiling the same function after a few times. Here many networks
    share one, the forward pass of :class:`~benchmarks.networks.TensorMode`.
    """
    import torch._dynamo

    torch._dynamo.config.cache_size_limit = 1024
    return torch.compile(network)


def _open(network: Callable[[Tensor], object], x: Tensor, num_threads: int) -> Call:
    def call() -> object:
        if torch.get_num_threads() != num_threads:
            torch.set_num_threads(num_threads)  # of the calling thread
        return network(x)

    return call


def _on_threads(network: Callable[[Tensor], object], x: Tensor) -> OpenOn:
    return partial(_open, network, x)


@torch.inference_mode()
def _infer(network: nn.Module, x: Tensor) -> object:
    return network(x)


def _eager(network: nn.Module, x: Tensor) -> OpenOn:
    return _on_threads(partial(_infer, network), x)


def _compiled(network: nn.Module, x: Tensor) -> OpenOn:
    compiled = compile_network(network)
    return _on_threads(torch.no_grad()(lambda images: compiled(images)), x)


def _cuda_graph(network: nn.Module, x: Tensor) -> OpenOn:
    network.requires_grad_(False)  # Otherwise a backward pass is recorded, too.
    return _on_threads(torch.cuda.make_graphed_callables(network, (x,)), x)


def _trace(network: nn.Module, x: Tensor, quantise_for: str | None = None) -> bytes:
    from mmlitehrnet.deploy.export import trace_to_onnx
    from mmlitehrnet.deploy.quantization import quantize

    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        trace_to_onnx(network, x, path)
        if quantise_for is not None:
            quantize(path, [x], quantise_for)
        return path.read_bytes()


def _onnxruntime_session(
    file: bytes, x: Tensor, num_threads: int, **settings: object
) -> tuple[Any, Call]:
    """A session with further settings of its options, and a call of it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3
    # Otherwise a session's threads go on spinning into the next network's turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    for name, value in settings.items():
        setattr(options, name, value)
    session = onnxruntime.InferenceSession(
        file, options, providers=["CPUExecutionProvider"]
    )
    inputs = {session.get_inputs()[0].name: x.numpy()}
    return session, lambda: session.run(None, inputs)


def _onnxruntime(
    network: nn.Module, x: Tensor, quantise_for: str | None = None
) -> OpenOn:
    return partial(_onnxruntime_call, _trace(network, x, quantise_for), x)


def _onnxruntime_call(file: bytes, x: Tensor, num_threads: int) -> Call:
    return _onnxruntime_session(file, x, num_threads)[1]


def _onnxruntime_nodes(
    network: nn.Module, x: Tensor, num_threads: int, runs: int
) -> Iterable[NodeTime]:
    with TemporaryDirectory() as folder:
        settings = dict(enable_profiling=True, profile_file_prefix=f"{folder}/profile")
        file = _trace(network, x)
        session, call = _onnxruntime_session(file, x, num_threads, **settings)
        for _ in range(runs):
            call()
        events = json.loads(Path(session.end_profiling()).read_text())
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            yield event["args"]["op_name"], event["name"], event["dur"] / 1e3


def _openvino_request(
    file: bytes, x: Tensor, num_threads: int, **settings: object
) -> tuple[Any, Call]:
    """A request of a model compiled with further settings, and a call of it."""
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": num_threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        # Streams would all be pinned to the same core.
        "ENABLE_CPU_PINNING": num_threads > 1,
    } | settings
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(file), "CPU", settings)
    request = compiled.create_infer_request()
    inputs = {0: x.numpy()}
    return request, lambda: request.infer(inputs, share_inputs=True)


def _openvino(
    network: nn.Module, x: Tensor, quantise_for: str | None = None, **settings: object
) -> OpenOn:
    return partial(_openvino_call, _trace(network, x, quantise_for), x, **settings)


def _openvino_call(
    file: bytes, x: Tensor, num_threads: int, **settings: object
) -> Call:
    return _openvino_request(file, x, num_threads, **settings)[1]


def _openvino_nodes(
    network: nn.Module, x: Tensor, num_threads: int, runs: int
) -> Iterable[NodeTime]:
    file = _trace(network, x)
    request, call = _openvino_request(file, x, num_threads, PERF_COUNT=True)
    for _ in range(runs):
        call()
        for info in request.get_profiling_info():
            if info.status == info.status.EXECUTED:
                kind = f"{info.node_type}, {info.exec_type}"
                yield kind, info.node_name, info.real_time.total_seconds() * 1e3


class Runtime(NamedTuple):
    """Something that runs networks.

    Attributes:
        prepare: ``prepare(network, images)`` gives ``open_on(num_threads)``, which
            gives a call to time.
        target: Runtime that our networks are deployed for.
        device: Where network and images are: ``'cpu'`` or ``'cuda'``.
        dtype: Type of weights and images.
        node_times: ``node_times(network, images, num_threads, runs)`` gives the times
            of the nodes of its graph; None where PyTorch's profiler knows them.
    """

    prepare: Prepare
    target: str = "pytorch"
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    node_times: Callable[[nn.Module, Tensor, int, int], Iterable[NodeTime]] | None = (
        None
    )

    def opener(self, network: nn.Module, images: Tensor) -> OpenOn:
        """Move a network and images there, and prepare it without opening it."""
        there = self.device, self.dtype
        return self.prepare(network.to(*there), images.to(*there))

    def prepared(self, network: nn.Module, images: Tensor) -> OpenOn:
        """Prepare a network to be opened on some number of threads.

        What is opened is called once: it compiles, or fails here. Calls wait for
        their device.

        Args:
            network: Maps images to a map or a tuple of maps; it is moved to the
                device and turned into the type.
            images: Images (N, 3, H, W).
        """
        open_on = self.opener(network, images)

        def open_and_call(num_threads: int) -> Call:
            call = open_on(num_threads)

            def synchronised() -> object:
                result = call()
                torch.cuda.synchronize()
                return result

            call = synchronised if self.device == "cuda" else call
            call()
            return call

        return open_and_call

    def start(self, network: nn.Module, images: Tensor, num_threads: int) -> Call:
        """Open a network on a number of threads, see :meth:`prepared`."""
        return self.prepared(network, images)(num_threads)

    def profile(
        self, network: nn.Module, images: Tensor, num_threads: int, rows: int
    ) -> str:
        """Tell in a table where the time goes.

        Args:
            network: See :meth:`start`.
            images: Images (N, 3, H, W).
            num_threads: Threads on the CPU.
            rows: Lines of the table.
        """
        if self.node_times is None:
            call = self.start(network, images, num_threads)
            return operator_table(call, self.device, rows)
        return node_table(self.node_times(network, images, num_threads, 50), rows)


#: Name -> runtime.
RUNTIMES: dict[str, Runtime] = {
    "pytorch": Runtime(_eager),
    "compile": Runtime(_compiled),
    "onnxruntime": Runtime(_onnxruntime, "onnxruntime", node_times=_onnxruntime_nodes),
    "openvino": Runtime(_openvino, "openvino", node_times=_openvino_nodes),
    "pytorch-bf16": Runtime(_eager, dtype=torch.bfloat16),
    "openvino-bf16": Runtime(
        partial(_openvino, INFERENCE_PRECISION_HINT="bf16"), "openvino"
    ),
    "onnxruntime-int8": Runtime(
        partial(_onnxruntime, quantise_for="onnxruntime"), "onnxruntime"
    ),
    "openvino-int8": Runtime(partial(_openvino, quantise_for="openvino"), "openvino"),
}

#: How CUDA devices are used, and in which precisions of weights and maps.
_ON_CUDA = {"cuda": _eager, "cuda-compile": _compiled, "cuda-graph": _cuda_graph}
_PRECISIONS = {"": torch.float32, "-fp16": torch.float16, "-bf16": torch.bfloat16}
RUNTIMES |= {
    f"{name}{suffix}": Runtime(prepare, device="cuda", dtype=dtype)
    for name, prepare in _ON_CUDA.items()
    for suffix, dtype in _PRECISIONS.items()
}


class _Square(nn.Module):
    """The square of a matrix."""

    def forward(self, x: Tensor) -> Tensor:
        return x @ x


def peak_gflops(
    device: str,
    dtype: torch.dtype,
    num_threads: int,
    side: int | None = None,
    repetitions: int = 8,
) -> float:
    """Measure the best rate of a large matrix product, in 1e9 operations per second.

    On the CPU in float32 it is the better one of PyTorch's and ONNX Runtime's.

    Args:
        device: ``'cpu'`` or ``'cuda'``.
        dtype: Type of the matrices.
        num_threads: Threads of ONNX Runtime; PyTorch's are set already.
        side: Rows and columns of the matrices; default: enough for the device.
        repetitions: How often each product is timed.
    """
    side = side or (8192 if device == "cuda" else 1536)
    matrix = torch.rand(side, side)
    eager = Runtime(_eager, device=device, dtype=dtype)
    calls = {"pytorch": eager.start(_Square(), matrix, num_threads)}
    if eager == RUNTIMES["pytorch"]:
        with suppress(ImportError):
            calls["onnxruntime"] = _onnxruntime(_Square(), matrix)(num_threads)
    timings = interleave(calls, repetitions, 2)
    return 2 * side**3 / min(t.best for t in timings.values()) / 1e6
