"""Help can be copied; the measuring tools name wrong arguments before they measure."""

import pytest
import torch

from tests.tools import load_tool

CASES = {
    ("--out", "{file}"): ("{file}: a folder is needed", "btn"),
    ("--device", "foo"): ("foo: a device that PyTorch finds is needed", "tn"),
    ("--device", "cuda:99"): ("cuda:99: a device that PyTorch finds is needed", "tn"),
    ("--batches", "1", "0"): ("0: must be at least 1", "b"),
    ("--batch", "0"): ("0: must be at least", "tn"),
    ("--size", "0", "0"): ("0: must be a positive multiple of 32", "tnr"),
    ("--size", "64", "100"): ("100: must be a positive multiple of 32", "tnr"),
    ("--threads", "0"): ("0: must be at least 1", "btnr"),
    ("--repetitions", "1"): ("1: must be at least 2", "bt"),
    ("--burst", "0"): ("0: must be at least 1", "b"),
    ("--warmup", "-1"): ("-1: must be at least 0", "bt"),
    ("--runs", "0"): ("0: must be at least 1", "r"),
    ("--rows", "0"): ("0: must be at least 1", "nr"),
}
TOOLS = {
    "b": "benchmark",
    "t": "benchmark_training",
    "n": "profile_network",
    "r": "profile_runtimes",
}


@pytest.mark.parametrize(
    "name", ["predict", "convert_checkpoint", "export_onnx", *TOOLS.values()]
)
def test_commands_of_the_help_can_be_copied(name):
    """A backslash at the end of a line is shown, not swallowed."""
    assert all(len(line) <= 88 for line in load_tool(name).__doc__.splitlines())


@pytest.mark.parametrize("letter, name", TOOLS.items())
def test_wrong_arguments_are_named(letter, name, tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    tool = load_tool(name)
    for (option, *values), (words, letters) in CASES.items():
        if letter in letters:
            arguments = [option, *(value.format(file=file) for value in values)]
            with pytest.raises(SystemExit) as stop:
                tool.parse_args(arguments)
            assert stop.value.code == 2
            error = f"argument {option}: {words.format(file=file)}"
            assert error in capsys.readouterr().err


def test_cuda_runtimes_need_a_gpu(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    arguments = ["--out", str(tmp_path), "--runtimes", "pytorch", "cuda-graph"]
    with pytest.raises(SystemExit):
        load_tool("benchmark").parse_args(arguments)
    error = capsys.readouterr().err
    assert "--runtimes cuda-graph: PyTorch finds no CUDA device" in error
