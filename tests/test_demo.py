"""tools/demo.py survives an interruption, removes its own drawings, names failures."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.running import ROOT
from tests.tools import load_tool


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """The tool, in a folder that is not the repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    tool = load_tool("demo")
    small = "coco --train 1 --val 1 --size 96 96 --quiet"
    short = tool.DEMOS["pose"]._replace(generate=small)
    monkeypatch.setitem(tool.DEMOS, "pose", short)
    return tool


@pytest.mark.slow
def test_interrupted_generation_is_repeated(demo, tmp_path):
    """What it leaves is not taken for data."""
    data = tmp_path / "data/sample_coco"
    data.with_suffix(".partial").mkdir(parents=True)
    demo.generate(demo.DEMOS["pose"])
    assert len(list(data.glob("*2017/*.jpg"))) == 2
    assert [path.name for path in data.parent.iterdir()] == ["sample_coco"]


def test_a_failing_command_is_named(demo, tmp_path, monkeypatch, capsys):
    (tmp_path / "data/sample_coco").mkdir(parents=True)

    def fail(command, check):
        assert (ROOT / command[3]).is_file() and command[3].startswith(str(ROOT))
        raise subprocess.CalledProcessError(3, command)

    monkeypatch.setattr(subprocess, "run", fail)
    assert demo.main(["pose"]) == 3
    error = capsys.readouterr().err
    assert error.startswith("demo: error: `mim train mmpose ")
    assert error.endswith("ended with status 3\n")


def test_old_drawings_go_others_stay_and_the_score_comes_last(
    demo, tmp_path, monkeypatch, capsys
):
    (tmp_path / "data/sample_coco").mkdir(parents=True)
    work_dir = tmp_path / "work"
    drawn = work_dir / "drawn"

    def fake(*command):
        """What `mim train` and `mim test` leave behind; each draws another picture."""
        count = len(list(work_dir.glob("*/*.json")))
        if command[1] == "train":
            (work_dir / "best_coco_AP_epoch_2.pth").write_bytes(b"")
            (work_dir / "1/vis_data").mkdir(parents=True, exist_ok=True)
            (work_dir / "1/vis_data/scalars.json").write_text("{}")
        if command[1] == "test":
            assert Path(command[command.index("--show-dir") + 1]) == drawn
            drawn.mkdir(exist_ok=True)
            (drawn / f"{count}.jpg").write_bytes(b"drawing")
            (work_dir / f"{count}").mkdir(exist_ok=True)
            (work_dir / f"{count}/{count}.json").write_text('{"coco/AP": 0.51}')

    monkeypatch.setattr(demo, "run", fake)
    work_dir.mkdir()
    assert demo.main(["pose", "--work-dir", str(work_dir)]) == 0
    assert [path.name for path in drawn.iterdir()] == ["0.jpg"]
    (drawn / "mine.jpg").write_bytes(b"photo")
    assert demo.main(["pose", "--work-dir", str(work_dir)]) == 0
    assert sorted(path.name for path in drawn.iterdir()) == ["1.jpg", "mine.jpg"]
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "coco/AP 0.51 on held-out pictures"
