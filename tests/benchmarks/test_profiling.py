"""The profile tells where the time of a call goes."""

import re

import pytest
import torch

from benchmarks import inference
from benchmarks.profiling import count_operators, node_table, operator_table
from benchmarks.training import passes_operators
from mmlitehrnet import DiteHRNet, LiteHRNet

TINY = ["--networks", "Naive Lite-HRNet-18", "--threads", "1", "--rows", "3"]


def test_operators_of_known_work():
    a, b = torch.rand(400, 400), torch.rand(4, 4)
    page = operator_table(lambda: (a @ a, b + b, b + b), "cpu", rows=3)
    rows = re.findall(r"^ +(aten::\w+) .* (\d+) *$", page, re.M)
    assert rows[0] == ("aten::mm", "1")  # What takes longest comes first.
    assert ("aten::add", "2") in rows
    assert re.match(r"\d+\.\d\d ms a call without the profiler, \d+\.\d MiB ", page)
    assert "kernels" not in page


def test_operators_are_counted_and_views_are_not():
    a = torch.rand(4, 4, requires_grad=True)
    assert count_operators(lambda: a.t()[1:].unsqueeze(0).detach()) == 0
    assert count_operators(lambda: (a @ a + 1).relu_()) == 3
    # A transposed copy is none: two products, and their sum.
    loss = (a @ a).sum()
    assert count_operators(loss.backward) == 1 + 2 + 1


@pytest.mark.parametrize("network, bound", [(LiteHRNet, 2400), (DiteHRNet, 4380)])
def test_a_training_step_has_few_operators(network, bound):
    """MMPose's Lite-HRNet-18 has 3,225; each is a launch or a few on a GPU."""
    count = passes_operators(network(arch="18"), (128, 96))
    assert bound / 2 < count < bound


def test_nodes_of_known_times():
    times = [("Conv", "a", 1), ("Conv", "a", 3), ("Conv", "b", 1), ("Add", "c", 7)]
    assert node_table(times, rows=1).splitlines() == [
        "10.00 ms in 3 nodes",
        "",
        "| operator | nodes | ms | share |",
        "| --- | ---: | ---: | ---: |",
        "| Add | 1 | 7.00 | 70% |",
    ]
    assert node_table(times, rows=9).endswith("| Conv | 2 | 3.00 | 30% |")


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["pytorch", "onnxruntime", "openvino"])
def test_inference_is_profiled(runtime, tmp_path, capsys):
    arguments = ["--profile", "--runtimes", runtime, "--sizes", "64x32"]
    arguments += ["--batches", "1", "--out", str(tmp_path), *TINY]
    assert inference.main(arguments) == 0
    page = (tmp_path / "profile.md").read_text()
    assert page == capsys.readouterr().out
    for label in ("Naive Lite-HRNet-18", "Naive Lite-HRNet-18, deployed"):
        assert f"### {label}, {runtime}, 64x32, batch 1\n" in page
    assert "conv" in page.lower()
