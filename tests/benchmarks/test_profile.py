"""The profile tells operators, times and shares of a call."""

import json
import re

import pytest
import torch

from benchmarks.profiling import profile_call
from benchmarks.runtime_profile import profile_operators
from tests.tools import load_tool


def test_shares_of_known_work():
    a, b = torch.rand(400, 400), torch.rand(4, 4)
    result = profile_call(lambda: (a @ a, b + b, b + b), torch.device("cpu"))
    assert result.shares[0].operator == "aten::mm"
    assert result.shares[0].share > 0.5
    assert {s.operator: s.calls for s in result.shares}["aten::add"] == 2
    assert sum(s.share for s in result.shares) == pytest.approx(1)
    assert sum(s.time for s in result.shares) == pytest.approx(result.time)
    assert result.launches == 0


def test_page_and_json(tmp_path):
    arguments = ["--device", "cpu", "--batch", "2", "--size", "64", "32"]
    arguments += ["--networks", "Naive Lite-HRNet-18", "--rows", "3"]
    load_tool("profile_network").main([*arguments, "--out", str(tmp_path)])
    results = json.loads((tmp_path / "profile.json").read_text())["results"]
    kinds = ["inference", "inference, deployed", "training step"]
    assert [result["what"] for result in results] == kinds
    assert all(result["wall"] > 0 and result["memory"] is None for result in results)
    page = (tmp_path / "profile.md").read_text()
    assert page.count("| aten::") >= 6
    assert all(f"### Naive Lite-HRNet-18, {kind}\n" in page for kind in kinds)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_operators_of_a_runtime(runtime, capsys):
    arguments = ["--networks", "Naive Lite-HRNet-18", "--size", "64", "32"]
    arguments += ["--runs", "3", "--threads", "1", "--runtimes", runtime]
    load_tool("profile_runtimes").main(arguments)
    page = capsys.readouterr().out
    total, nodes = re.search(r"([\d.]+) ms in (\d+) nodes", page).groups()
    rows = re.findall(r"^\| (\w.*) \| (\d+) \| ([\d.]+) \| (\d+)% \|$", page, re.M)
    assert "conv" in rows[0][0].lower() and int(rows[0][3]) > 30
    assert 0 < sum(int(row[1]) for row in rows) <= int(nodes)
    assert sum(float(row[2]) for row in rows) <= float(total) + 0.1


def test_an_unknown_runtime_is_named(tmp_path):
    with pytest.raises(ValueError, match="runtime must be one of .* got 'tensorrt'"):
        profile_operators("tensorrt", tmp_path, torch.rand(1, 3, 32, 32), 1)
