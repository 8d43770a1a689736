"""The GPU report's commands are right, and it survives what goes wrong in a step."""

import time

import pytest
import torch

from benchmarks import gpu_report, inference, training
from benchmarks.gpu_report import PARTS, Step
from tests.tools import load_tool


@pytest.mark.parametrize("quick", [[], ["--quick"]])
@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_commands_take_the_options_they_are_given(quick, device, tmp_path, monkeypatch):
    # As where there is a GPU.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    report = ["--out", str(tmp_path / "a folder"), "--device", device, *quick]
    args = gpu_report.parse_args(report)
    modules = {"benchmarks.inference": inference, "benchmarks.training": training}
    parsed = []
    for part in PARTS.values():
        for name, step in part.items():
            words = gpu_report.words(name, step, args)
            if words[0] != "-m":
                assert load_tool("make_sample_data").parse_args(words[1:]).quiet
            elif words[1] in modules:
                found = modules[words[1]].parse_args(words[2:])
                assert found.out == tmp_path / "a folder" / name
                cuda = [r.startswith("cuda") for r in getattr(found, "runtimes", ())]
                assert set(cuda) <= {device == "cuda"}
                assert getattr(found, "device", device) == device
                parsed.append(words[1])
    assert set(parsed) == set(modules)


SLEEP = "import subprocess as s, sys; s.run([sys.executable, '-c', '{}'])"
LATER = 'import time, pathlib; time.sleep(5); pathlib.Path(r"{}").touch()'


@pytest.mark.slow
def test_summary_tells_what_came_of_each_step(tmp_path, monkeypatch, capsys):
    touched = tmp_path / "touched"
    part = {
        "good": Step(30, "-c \"print('fine')\""),
        "bad": Step(30, '-c "raise SystemExit(3)"'),
        "slow": Step(2, "-c '{slow}'"),
        "gpu": Step(30, "-c pass", cuda_only=True),
    }
    monkeypatch.setitem(PARTS, "tests", part)
    slow = SLEEP.format(LATER.format(touched)).replace("'", "'\"'\"'")
    monkeypatch.setitem(gpu_report.QUICK, "slow", slow)
    arguments = ["--out", str(tmp_path / "out"), "--device", "cpu", "--quick"]
    arguments += ["--parts", "tests"]
    assert gpu_report.main(arguments) == 1
    summary = (tmp_path / "out/summary-tests.md").read_text()
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
    assert gpu_report.main([*arguments, "--limit", "5"]) == 0
    assert "| good | 0 | not run: no time left |" in capsys.readouterr().out
