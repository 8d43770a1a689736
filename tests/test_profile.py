"""The profile tells operators, times and shares of a call."""

import json

import pytest
import torch

from mmlitehrnet.analysis.profile import profile_call

from .loading import load_tool


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
