"""tools/demo.py survives an interruption, other folders and failing commands."""

import subprocess

import pytest

from tests.running import ROOT
from tests.tools import load_tool


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """The tool, in a folder that is not the repository."""
    monkeypatch.chdir(tmp_path)
    tool = load_tool("demo")
    small = ("--train", "1", "--val", "1", "--size", "96", "96", "--quiet")
    short = tool.DEMOS["pose"]._replace(generate=small)
    monkeypatch.setitem(tool.DEMOS, "pose", short)
    return tool


def test_interrupted_generation_is_repeated(demo, tmp_path, monkeypatch):
    def interrupted(*command):
        (tmp_path / "data/sample_coco.partial").mkdir(parents=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            demo.main(["pose"])
    data = tmp_path / "data/sample_coco"
    assert not data.exists()
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
