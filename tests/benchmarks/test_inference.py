"""The benchmark of inference measures what it says, on few repetitions."""

import json
import sys
from threading import Barrier, get_ident
from time import sleep

import onnx
import pytest
import torch

from benchmarks import inference, persons
from benchmarks.networks import BASELINE, CANDIDATES, TensorMode, build, variants
from benchmarks.runtimes import RUNTIMES, Runtime
from mmlitehrnet.deploy.export import trace_to_onnx

FLOAT32 = "cpu", torch.float32


def test_streams_run_side_by_side():
    """Two calls that wait for each other end, and each has a thread of its own."""
    barrier, opened = Barrier(2), []

    def open_on(num_threads):
        opened.append(num_threads)
        return lambda: (barrier.wait(timeout=30), get_ident())

    both = inference.Way(threads=1, streams=2).open(open_on)()
    assert opened == [1, 1]
    assert len({thread for _, thread in both}) == 2


def test_a_call_computes_on_as_many_threads_as_it_was_opened_on():
    class Threads(torch.nn.Module):
        def forward(self, x):
            return torch.get_num_threads()

    before = torch.get_num_threads()
    open_on = RUNTIMES["pytorch"].prepared(Threads(), torch.zeros(1))
    one, two = open_on(1), open_on(2)
    assert [one(), two(), one()] == [1, 2, 1]
    torch.set_num_threads(before)


def test_lower_precision_is_another_runtime():
    network = TensorMode(build("Naive Lite-HRNet-18", (64, 32)))
    images = torch.randn(1, 3, 64, 32)
    expected = RUNTIMES["pytorch"].start(network, images, 1)()
    found = RUNTIMES["pytorch-bf16"].start(network, images, 1)()
    assert found.dtype == torch.bfloat16
    assert 0 < (found - expected).abs().max() < 0.1 * expected.abs().max()


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["pytorch", "onnxruntime", "openvino"])
def test_runtimes_compute_the_same(runtime):
    networks = variants("Naive Lite-HRNet-18", (64, 32), RUNTIMES[runtime].target)
    assert list(networks) == ["Naive Lite-HRNet-18", "Naive Lite-HRNet-18, deployed"]
    images = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        expected = networks["Naive Lite-HRNet-18"](images)
    for network in networks.values():
        found = RUNTIMES[runtime].start(network, images, 1)()
        found = found if runtime == "pytorch" else torch.tensor(found[0])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


def test_no_two_convolutions_have_the_same_bias(tmp_path):
    network = TensorMode(build("Lite-HRNet-18", (64, 64)))
    path = tmp_path / "network.onnx"
    trace_to_onnx(network, torch.randn(1, 3, 64, 64), path)
    graph = onnx.load(path).graph
    convs = [node for node in graph.node if node.op_type == "Conv"]
    names = {node.input[2] for node in convs if len(node.input) == 3}
    values = {i.raw_data for i in graph.initializer if i.name in names}
    assert len(values) == len(names) > 200


@pytest.mark.slow
def test_table_json_and_plot(tmp_path, capsys, monkeypatch):
    def wait(network, images):
        return lambda num_threads: lambda: sleep(1e-3)

    # Two threads on busy cores wait long for each other; above, networks compute.
    monkeypatch.setitem(RUNTIMES, "pytorch", Runtime(wait, target="pytorch"))
    monkeypatch.setattr(inference, "peak_gflops", lambda *_: 100.0)
    networks = [BASELINE, "Lite-HRNet-18", "RTMPose-t"]
    arguments = ["--out", str(tmp_path), "--runtimes", "pytorch"]
    arguments += ["--networks", *networks, "--sizes", "256x192", "--batches", "1"]
    arguments += ["--repetitions", "2", "--burst", "1"]
    arguments += ["--warmup", "1", "--threads", "2"]
    assert inference.main(arguments) == 0
    result = json.loads((tmp_path / "inference.json").read_text())
    expected = [*networks[:2], "Lite-HRNet-18, deployed", networks[2]]
    for threads, streams in ((1, 1), (2, 1), (1, 2)):
        way = dict(threads=threads, streams=streams)
        rows = [row for row in result["rows"] if row.items() >= way.items()]
        assert [row["network"] for row in rows] == expected
    rows = [row for row in result["rows"] if row["threads"] == 2]
    # About 200 million multiply-accumulates of convolutions.
    assert 3.8 < rows[1]["limit"] < 4.2
    assert rows[1]["limit"] == rows[2]["limit"]
    assert rows[0]["ratio"] == 1
    assert {"processor", "threads", "calls in a turn"} <= set(result["machine"])
    assert result["machine"]["peak GFLOP/s, cpu float32"] == 100
    table = (tmp_path / "inference.md").read_text()
    title = "| network | 1 thread: ms | 2 threads: ms | 2 streams: images/s |"
    assert table.count(title) == table.count("| RTMPose-t |") == 1
    streamed = next(row for row in result["rows"] if row["streams"] == 2)
    assert f"| {2e3 / streamed['timing']['median']:.0f} (1.00) |" in table
    assert table == capsys.readouterr().out
    assert (tmp_path / "inference.png").stat().st_size > 10_000


@pytest.mark.slow
def test_persons_are_measured_from_an_image_to_keypoints(tmp_path, monkeypatch):
    """By the runner in all its ways, by MMPose, and by rtmlib if it is installed."""
    monkeypatch.setattr(persons, "SIZE", (64, 32))
    monkeypatch.setitem(sys.modules, "rtmlib", None)
    networks = ["Naive Lite-HRNet-18", "MobileNetV2", "RTMPose-t"]
    arguments = ["--persons", "1", "3", "--networks", *networks, "--threads", "1"]
    arguments += ["--repetitions", "2", "--burst", "1", "--warmup", "0"]
    assert inference.main([*arguments, "--out", str(tmp_path)]) == 1
    result = json.loads((tmp_path / "persons.json").read_text())
    assert [(row["network"], row["persons"]) for row in result["rows"]] == [
        (name, count) for name in [*networks[:1] * 3, networks[1]] for count in (1, 3)
    ]
    assert len(result["failures"]) == 2 and "rtmlib" in result["failures"][0]
    table = (tmp_path / "persons.md").read_text()
    assert "| network | run by | 1 | 3 |" in table
    median = result["rows"][1]["timing"]["median"] / 3
    assert f"{median:.1f} (" in table.split("`PoseRunner`, ONNX Runtime")[1]


def test_what_cannot_be_run_does_not_stop_the_rest(capsys, monkeypatch):
    def refuse(network, images):
        if getattr(network.model.backbone, "deploy", False):
            raise RuntimeError("no such operator")
        return lambda num_threads: lambda: network(images)

    monkeypatch.setitem(RUNTIMES, "pytorch", Runtime(refuse))
    arguments = ["--runtimes", "pytorch", "--networks", "Naive Lite-HRNet-18"]
    arguments += ["--sizes", "64x32", "--batches", "1", "--repetitions", "2"]
    assert inference.main([*arguments, "--threads", "1"]) == 1
    output = capsys.readouterr()
    assert "Naive Lite-HRNet-18, deployed, pytorch, 64x32, batch 1: Runt" in output.err
    assert output.out.count("Naive Lite-HRNet-18") == 1


@pytest.mark.parametrize("name", ["RTMPose-t", "MobileNetV2"])
def test_peers_take_both_sizes(name):
    assert not CANDIDATES[name].ours
    for size in ((256, 192), (384, 288)):
        network = TensorMode(build(name, size))
        with torch.no_grad():
            assert network(torch.zeros(1, 3, *size)) is not None
