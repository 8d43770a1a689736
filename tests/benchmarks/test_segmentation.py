"""Segmentors are measured by the same programs as pose estimators, in tiny sizes."""

import json

import pytest
import torch

from benchmarks import inference, training
from benchmarks.networks import SEGMENTORS, TASKS, TensorMode, build
from benchmarks.plot import plot, points

NETWORKS = ["PIDNet-S", "Naive Lite-HRNet-18"]
SHORT = ["--task", "seg", "--threads", "1", "--repetitions", "2", "--warmup", "0"]
SHORT += ["--networks", *NETWORKS]
TINY = [*SHORT, "--sizes", "64x128", "--batches", "1", "--runtimes", "onnxruntime"]


@pytest.mark.parametrize("name", SEGMENTORS)
def test_networks_give_logits(name):
    side = 416 if "LRASPP" in name else 64  # It pools windows of 392 pixels.
    network = TensorMode(build(name, (side, side), "seg"))
    with torch.no_grad():
        logits = network(torch.randn(1, 3, side, side))
    cells = logits.shape[-1]
    assert logits.shape == (1, 19, cells, cells) and side / cells in (2, 4, 8)


@pytest.mark.slow
def test_latency_and_memory(tmp_path):
    assert inference.main([*TINY, "--burst", "1", "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "inference.json").read_text())
    found = [row["network"] for row in result["rows"]]
    assert found == [*NETWORKS, "Naive Lite-HRNet-18, deployed"]
    assert result["machine"]["task"] == "seg"
    assert result["rows"][0]["ratio"] == 1
    assert "In parentheses: PIDNet-S" in (tmp_path / "inference.md").read_text()
    assert inference.main([*TINY, "--memory", "--out", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "memory.json").read_text())["rows"]
    assert [row[0] for row in rows] == found
    # PIDNet-S has 30 MiB of weights, ours 3.
    assert 30 < rows[0][-1] and 3 < rows[2][-1] < rows[0][-1]


@pytest.mark.slow
def test_training_steps_and_what_fits(tmp_path):
    arguments = ["--size", "64x128", "--device", "cpu", "--modes", "eager", "with-cp"]
    assert training.main([*SHORT, *arguments, "--out", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "training.json").read_text())["rows"]
    assert [row["network"] for row in rows] == 2 * NETWORKS
    assert [row["mode"] for row in rows] == ["eager"] * 2 + ["with-cp"] * 2
    assert rows[3]["memory"] < 0.75 * rows[1]["memory"]
    for row in rows:
        fitting = [int(count) for count in row["fitting"].split(", ")]
        assert fitting == sorted(fitting)
        assert fitting[0] * row["memory"] / row["batch"] <= 8 * 1024
        assert 200 < row["operators"] < 3000


def test_each_network_is_drawn_at_the_size_of_its_score(tmp_path):
    """Nobody published Naive Lite-HRNet-18's mIoU."""
    labels = [*NETWORKS, "Lite-HRNet-18", "Lite-HRNet-18, deployed"]
    rows = [
        dict(
            network=label,
            runtime="openvino",
            size=size,
            batch=batch,
            threads=threads,
            streams=1,
            timing=dict(median=place + 10 * len(size) + 100 * batch * threads),
        )
        for place, label in enumerate(labels)
        for size in ("512x1024", "1024x2048")
        for batch in (1, 2)
        for threads in (1, 2)
    ]
    found = points(rows, 2, TASKS["seg"])
    assert found == {
        "openvino": {
            "PIDNet-S": (290, 78.74),
            "Lite-HRNet-18": (282, 73.8),
            "Lite-HRNet-18, deployed": (283, 73.8),
        }
    }
    plot(found, tmp_path / "plot.png", TASKS["seg"])
    assert (tmp_path / "plot.png").stat().st_size > 10_000
