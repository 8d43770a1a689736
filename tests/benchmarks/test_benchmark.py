"""The benchmark measures what it says, on few repetitions."""

import json

import onnx
import pytest
import torch

from benchmarks.candidates import CANDIDATES, build
from benchmarks.latency import (
    RUNTIMES,
    TensorMode,
    Timing,
    interleave,
    peak_gflops,
)
from mmlitehrnet.deploy import deploy_model
from mmlitehrnet.deploy.export import trace_to_onnx
from tests.tools import load_tool


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
    assert Timing.of([1.0, 2.0, 3.0]) == Timing(2.0, 1.0, 3.0, 1.0)


def test_peak_is_plausible():
    assert 1 < peak_gflops(1, side=256, repetitions=3) < 1e6


def test_lower_precision_is_another_runtime():
    model = build(CANDIDATES["Naive Lite-HRNet-18"])
    images = torch.randn(1, 3, 64, 32)
    expected = RUNTIMES["pytorch"].prepare(model, images, 1)()
    found = RUNTIMES["pytorch-bf16"].prepare(model, images, 1)()
    assert found.dtype == torch.bfloat16
    assert 0 < (found - expected).abs().max() < 0.1 * expected.abs().max()


@pytest.mark.parametrize("deployed", [False, True])
def test_no_two_convolutions_have_the_same_bias(deployed, tmp_path):
    model = build(CANDIDATES["Lite-HRNet-18"], (64, 64))
    model = deploy_model(model, "openvino") if deployed else model
    path = tmp_path / "network.onnx"
    trace_to_onnx(TensorMode(model), torch.randn(1, 3, 64, 64), path)
    graph = onnx.load(path).graph
    convs = [node for node in graph.node if node.op_type == "Conv"]
    names = {node.input[2] for node in convs if len(node.input) == 3}
    values = {i.raw_data for i in graph.initializer if i.name in names}
    assert len(values) == len(names) > 200


def test_every_cuda_runtime_is_there_in_every_precision():
    names = {name for name in RUNTIMES if name.startswith("cuda")}
    assert names == {
        f"cuda{kind}{precision}"
        for kind in ("", "-compile", "-graph")
        for precision in ("", "-fp16", "-bf16")
    }
    assert all(set(runtime.peak) <= set(RUNTIMES) for runtime in RUNTIMES.values())


def test_table_json_and_plot(tmp_path, capsys):
    networks = ["Lite-HRNet-18 (MMPose)", "Lite-HRNet-18", "RTMPose-t"]
    arguments = ["--out", str(tmp_path), "--runtimes", "pytorch", "onnxruntime"]
    arguments += ["--networks", *networks, "--sizes", "256x192", "--batches", "1"]
    arguments += ["--repetitions", "2", "--burst", "1"]
    arguments += ["--warmup", "1", "--threads", "1"]
    load_tool("benchmark").main(arguments)
    result = json.loads((tmp_path / "benchmark.json").read_text())
    expected = [*networks[:2], "Lite-HRNet-18, deployed", networks[2]]
    for runtime in ("pytorch", "onnxruntime"):
        rows = [row for row in result["rows"] if row["runtime"] == runtime]
        assert [row["network"] for row in rows] == expected
        assert all(row["limit"] > 0 for row in rows)
        assert rows[0]["ratio"] == 1
    assert {"processor", "threads", "calls in a turn"} <= set(result["machine"])
    assert result["machine"]["peak GFLOP/s, pytorch/onnxruntime"] > 1
    table = (tmp_path / "benchmark.md").read_text()
    assert table.count("| pytorch |") == 4
    assert "Lite-HRNet-18, deployed" in capsys.readouterr().out
    assert (tmp_path / "benchmark.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["RTMPose-t", "MobileNetV2"])
def test_peers_take_both_sizes(name):
    for size in ((256, 192), (384, 288)):
        network = TensorMode(build(CANDIDATES[name], size))
        with torch.no_grad():
            assert network(torch.zeros(1, 3, *size)) is not None
