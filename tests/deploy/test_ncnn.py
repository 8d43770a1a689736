"""Export to ncnn, and what it computes; whole configs: `make ncnn-check`."""

import sys

import pnnx
import pytest

from mmlitehrnet.deploy.ncnn import export_ncnn
from tests.deploy.test_export import network
from tests.models.deployed.networks import KINDS
from tests.tools import load_tool

POSE = "configs/pose/litehrnet_18_coco_256x192.py"


@pytest.fixture
def net():
    return network("LITE")


@pytest.fixture
def path(tmp_path):
    """A file to write, where there are both of an earlier export."""
    folder = tmp_path / "files"
    folder.mkdir()
    for suffix in ("param", "bin"):
        (folder / f"net.{suffix}").write_text("old")
    return folder / "net.param"


def assert_nothing_is_written(path):
    left = {file.name: file.read_text() for file in path.parent.iterdir()}
    assert left == {"net.param": "old", "net.bin": "old"}


@pytest.mark.parametrize("name", KINDS)
def test_ncnn_computes_the_network(name, path):
    assert export_ncnn(network(name), path, (64, 96)).relative < 1e-4
    assert path.read_text().startswith("7767517\n")
    assert path.with_suffix(".bin").stat().st_size > 10_000
    assert len(list(path.parent.iterdir())) == 2


def test_files_that_are_not_equal_are_not_written(net, path):
    assert export_ncnn(net, path, (64, 96), tolerance=0).relative > 0
    assert_nothing_is_written(path)


@pytest.mark.parametrize("missing", ["ncnn", "pnnx"])
def test_missing_packages_are_named(missing, net, path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match="pip install ncnn pnnx"):
        export_ncnn(net, path, (64, 64))


@pytest.mark.parametrize(
    "script, match",
    [
        ("echo out of memory; exit 3", "exit status 3.*out of memory"),
        ("exit 0", "pnnx cannot convert"),
        (
            "printf '7767517\n1 1\ntorch.roll 0 1 1 in0 out0\n' > network.ncnn.param",
            r"no layer for torch\.roll$",
        ),
    ],
)
def test_a_failure_of_pnnx_is_named(script, match, net, path, tmp_path, monkeypatch):
    program = tmp_path / "pnnx.sh"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(pnnx, "EXEC_PATH", str(program))
    with pytest.raises(ValueError, match=match):
        export_ncnn(net, path, (64, 64))
    assert_nothing_is_written(path)


def test_wrong_arguments_are_named(tmp_path, net):
    path = tmp_path / "net.param"
    (tmp_path / "taken.bin").mkdir()
    for error, match, out, options in (
        (ValueError, r"end in '\.param', got .*net\.bin", tmp_path / "net.bin", {}),
        (OSError, r"taken\.bin cannot be written", tmp_path / "taken.param", {}),
        (ValueError, "input_size must be a height", path, dict(input_size=64)),
        (ValueError, "target must be one of.*got 'nccn'", path, dict(target="nccn")),
    ):
        with pytest.raises(error, match=match):
            export_ncnn(net, out, **{"input_size": (64, 64), **options})
    assert not path.exists()


def test_the_tool_writes_what_the_name_asks_for(tmp_path, capsys):
    tool, weights = load_tool("export_onnx"), tmp_path / "weights.bin"
    options = ["--input-size", "64", "64", "--out"]
    assert tool.main([POSE, *options, str(tmp_path / "net.param")]) == 0
    assert "against ncnn" in capsys.readouterr().out
    assert (tmp_path / "net.bin").stat().st_size > 10_000
    with pytest.raises(SystemExit, match="--batch-size is for ONNX files"):
        tool.main([POSE, "--batch-size", "2", *options, str(tmp_path / "x.param")])
    out = str(weights.with_suffix(".param"))
    with pytest.raises(SystemExit, match=r"--out: .*weights\.bin is an input"):
        tool.main([POSE, str(weights), *options, out])
