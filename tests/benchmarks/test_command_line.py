"""Help can be copied; wrong arguments are named before anything is measured."""

import json

import pytest
import torch

from benchmarks import gpu_report, inference, training
from benchmarks.command_line import Page
from benchmarks.timing import Timing

COMMON = {
    ("--out", "{file}"): "{file}: a folder is needed",
    ("--batches", "1", "0"): "must be at least",
    ("--threads", "0"): "0: must be at least 1",
    ("--repetitions", "1"): "1: must be at least 2",
    ("--warmup", "-1"): "-1: must be at least 0",
    ("--rows", "0"): "0: must be at least 1",
    ("--networks", "ResNet"): "invalid choice: 'ResNet'",
}
SIZE = "must be HEIGHTxWIDTH, both positive multiples of 32"
CASES = [
    *((module, *case) for module in (inference, training) for case in COMMON.items()),
    (inference, ("--sizes", "64x0"), f"64x0: {SIZE}"),
    (inference, ("--sizes", "64"), f"64: {SIZE}"),
    (inference, ("--burst", "0"), "0: must be at least 1"),
    (inference, ("--streams", "0"), "0: must be at least 1"),
    (inference, ("--networks", "STDC1"), "invalid choice: 'STDC1'"),
    (training, ("--size", "64x100"), f"64x100: {SIZE}"),
    (training, ("--batches", "1"), "1: must be at least 2"),
    (training, ("--device", "tpu"), "invalid choice: 'tpu'"),
    (gpu_report, ("--out", "{file}"), "{file}: a folder is needed"),
    (gpu_report, ("--limit", "0"), "0: must be at least 1"),
]


@pytest.mark.parametrize("module, arguments, message", CASES)
def test_wrong_arguments_are_named(module, arguments, message, tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SystemExit) as stop:
        module.parse_args([argument.format(file=file) for argument in arguments])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert f"argument {arguments[0]}: " in error
    assert message.format(file=file) in error


@pytest.mark.parametrize(
    "module, arguments, message",
    [
        (inference, ["--runtimes", "cuda-graph"], "--runtimes cuda-graph: PyTorch"),
        (training, ["--device", "cuda"], "--device cuda: PyTorch finds no CUDA"),
        (training, ["--modes", "fp16"], "--modes fp16: float16 needs a CUDA device"),
        (gpu_report, ["--out", "out"], "--device cuda: PyTorch finds no CUDA device"),
        (inference, ["--persons", "1", "--task", "seg"], "--persons: is of --task"),
    ],
)
def test_what_cannot_be_measured_is_told(
    module, arguments, message, capsys, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        module.parse_args(arguments)
    assert message in capsys.readouterr().err


def test_pages_are_written_piece_by_piece(tmp_path, capsys):
    columns = {"who": "{who}", "ms": "{timing.median:.1f}", "ratio": "{ratio:.2f}"}
    page = Page(tmp_path / "new", "page", {"machine": "mine"}, columns)
    page.add_row(Timing(2, 1, 3, 1), who="a", ratio=1.5)
    path = tmp_path / "new/page.md"
    assert path.read_text().splitlines() == [
        "machine: mine  ",
        "",
        "| who | ms | ratio |",
        "| --- | ---: | ---: |",
        "| a | 2.0 | 1.50 |",
    ]
    page.fail("b", RuntimeError("no memory"))
    page.add_row(Timing(4, 1, 5, 1), who="c", ratio=None)
    assert path.read_text().endswith("| c | 4.0 |  |\n")
    numbers = json.loads((tmp_path / "new/page.json").read_text())
    assert numbers["machine"] == {"machine": "mine"}
    assert [row["timing"]["median"] for row in numbers["rows"]] == [2, 4]
    assert numbers["rows"][1]["ratio"] is None
    assert numbers["failures"] == ["b: RuntimeError: no memory"]
    output = capsys.readouterr()
    assert output.out == path.read_text()
    assert output.err == "b: RuntimeError: no memory\n"
