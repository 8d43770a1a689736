"""The GPU report's commands are right, and it survives what goes wrong in a step."""

import time
from pathlib import Path

import pytest
import torch

from mmlitehrnet.apis import command_line
from tests.tools import load_tool


@pytest.fixture(scope="module")
def report():
    return load_tool("gpu_report")


def steps(report, scale, device):
    job = report.Job(getattr(report, scale), device, Path("out"))
    return [step for part in report.PARTS.values() for step in part(job)]


@pytest.mark.parametrize("scale", ["FULL", "QUICK"])
@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_tools_take_the_options_they_are_given(report, scale, device, monkeypatch):
    # As where there is a GPU.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(command_line, "device", torch.device)
    found = steps(report, scale, device)
    assert len({step.name for step in found}) == len(found)
    names = ("make_sample_data", "benchmark", "benchmark_training", "profile_network")
    tools = {name: load_tool(name) for name in names}
    parsed = []
    for step in found:
        if step.command[0] == "-m":
            continue
        name = Path(step.command[0]).stem
        args = tools[name].parse_args(step.command[1:])
        parsed.append(name)
        if name in ("benchmark_training", "profile_network"):
            assert args.device.type == device
        if name == "benchmark":
            assert all(
                r.startswith("cuda") == (device == "cuda") for r in args.runtimes
            )
    assert set(parsed) == set(names)


def test_every_network_is_trained_and_tested_in_every_mode(report):
    names = {step.name for step in steps(report, "FULL", "cuda")}
    for network in ("litehrnet_18", "ditehrnet_18"):
        for mode in ("float32", "amp", "channels-last"):
            assert {f"mim-{v}-{network}-{mode}" for v in ("train", "test")} <= names


SLEEP = "import subprocess as s, sys; s.run([sys.executable, '-c', '{}'])"
LATER = 'import time, pathlib; time.sleep(5); pathlib.Path(r"{}").touch()'


def test_summary_tells_what_came_of_each_step(report, tmp_path, monkeypatch, capsys):
    touched = tmp_path / "touched"
    step = report.Step
    part = [
        step("good", 30, ["-c", "print('fine')"]),
        step("bad", 30, ["-c", "raise SystemExit(3)"]),
        step("slow", 2, ["-c", SLEEP.format(LATER.format(touched))]),
        step("gpu", 30, ["-c", ""], cuda_only=True),
    ]
    monkeypatch.setattr(report, "PARTS", {"all": lambda job: part})
    arguments = ["--out", str(tmp_path / "out"), "--device", "cpu"]
    assert report.main([*arguments, "--parts", "all"]) == 1
    summary = (tmp_path / "out/summary-all.md").read_text()
    assert summary == capsys.readouterr().out
    results = [line.split(" | ")[-1] for line in summary.splitlines()[-4:]]
    assert results == [
        "done |",
        "failed with status 3 |",
        "ended after 2 s |",
        "not run: needs a CUDA device |",
    ]
    assert (tmp_path / "out/good.log").read_text() == "fine\n"
    time.sleep(4)
    assert not touched.exists()  # What the slow step had started was ended too.
    assert report.main([*arguments, "--parts", "all", "--limit", "5"]) == 0
    assert "| good | 0 | not run: no time left |" in capsys.readouterr().out
