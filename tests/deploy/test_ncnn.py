"""Export to ncnn, as far as it goes without ncnn: `make ncnn-check` runs the rest."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmlitehrnet.deploy import ncnn as deploy_ncnn
from mmlitehrnet.deploy import switch_to_deploy
from mmlitehrnet.deploy.export import Network
from mmlitehrnet.deploy.ncnn import export_ncnn
from tests.deploy.test_export import NETWORKS, network
from tests.models.backbones.reference import difference, images
from tests.tools import load_tool

POSE = "configs/pose/litehrnet_18_coco_256x192.py"


class Ncnn:
    """Stands in for ncnn: a network whose only map is zero.

    Args:
        shape: Shape of the map (C, H, W).
    """

    def __init__(self, *shape):
        self.opt, self.shape = SimpleNamespace(), shape
        self.load_param = self.load_model = lambda path: 0
        self.input_names, self.output_names = lambda: ["in0"], lambda: ["out0"]
        self.Net = self.create_extractor = lambda: self
        self.Mat = torch.from_numpy
        self.input = lambda name, image: None

    def extract(self, name):
        return 0, np.zeros(self.shape, np.float32)


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Stand-ins for both packages; takes what pnnx is to run, by the shell."""

    def install(script):
        program = tmp_path / "pnnx.sh"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setitem(sys.modules, "ncnn", Ncnn(16, 16, 16))
        pnnx = SimpleNamespace(EXEC_PATH=str(program))
        monkeypatch.setitem(sys.modules, "pnnx", pnnx)

    return install


def write(line):
    """A script that writes both files, with one layer."""
    line = f"7767517\n1 1\n{line}\n"
    return f"printf '{line}' > network.ncnn.param; printf 1 > network.ncnn.bin"


@pytest.fixture
def net():
    return network("LiteHRNet")


@pytest.fixture
def path(tmp_path):
    """A file to write, where there are both of an earlier export."""
    folder = tmp_path / "files"
    folder.mkdir()
    for suffix in ("param", "bin"):
        (folder / f"net.{suffix}").write_text("old")
    return folder / "net.param"


def contents(path):
    return {file.name: file.read_text() for file in path.parent.iterdir()}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_pnnx_is_given_computes_the_network(name):
    net, x = network(name), images(1, 3, 64, 96)
    traced = deploy_ncnn._trace(Network(switch_to_deploy(net, "ncnn")), x)
    graph = str(traced.inlined_graph)
    assert "aten::addcmul" not in graph and "aten::index_select" not in graph
    with torch.no_grad():
        for found, expected in zip(traced(x), net(x), strict=True):
            assert difference(found, expected) < 1e-4


@pytest.mark.parametrize("missing", ["ncnn", "pnnx"])
def test_missing_packages_are_named(missing, net, path, packages, monkeypatch):
    packages("exit 0")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match="pip install ncnn pnnx"):
        export_ncnn(net, path, (64, 64))


@pytest.mark.parametrize(
    "script, match",
    [
        ("echo out of memory; exit 3", "exit status 3.*out of memory"),
        ("exit 0", "pnnx cannot convert"),
        (write("torch.roll 0 1 1 in0 out0"), r"no layer for torch\.roll$"),
    ],
)
def test_nothing_is_left_of_a_failed_export(script, match, net, path, packages):
    packages(script)
    with pytest.raises(ValueError, match=match):
        export_ncnn(net, path, (64, 64))
    assert contents(path) == {"net.param": "old", "net.bin": "old"}


def test_files_are_written_if_they_are_equal(net, path, packages):
    packages(write("Input 0 1 in0"))
    result = export_ncnn(net, path, (64, 64), tolerance=1e-4)
    assert result.relative == 1  # Compared with zeros.
    assert contents(path) == {"net.param": "old", "net.bin": "old"}
    export_ncnn(net, path, (64, 64))
    assert contents(path)["net.bin"] == "1"
    assert "Input" in contents(path)["net.param"]
    assert len(contents(path)) == 2


def test_wrong_arguments_are_named(tmp_path, net):
    path = tmp_path / "net.param"
    (tmp_path / "taken.bin").mkdir()
    for error, match, out, options in (
        (ValueError, r"end in '\.param', got .*net\.bin", tmp_path / "net.bin", {}),
        (OSError, r"taken\.bin cannot be written", tmp_path / "taken.param", {}),
        (TypeError, "input_size must be a tuple", path, dict(input_size=64)),
        (ValueError, "target must be one of.*got 'nccn'", path, dict(target="nccn")),
    ):
        with pytest.raises(error, match=match):
            export_ncnn(net, out, **{"input_size": (64, 64), **options})
    assert not path.exists()


def test_the_tool_writes_what_the_name_asks_for(tmp_path, monkeypatch, capsys):
    tool, given = load_tool("export_onnx"), []
    arguments = [POSE, "--out", str(tmp_path / "net.param")]

    def export(*args):
        given.extend(args[2:])
        return deploy_ncnn.Difference(0, 0, 1, 0)

    monkeypatch.setattr(tool, "export_ncnn", export)
    assert tool.main(arguments) == 0
    assert given == [(256, 192), "ncnn", 1e-4]
    assert "against ncnn" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="--batch-size is for ONNX files"):
        tool.main([*arguments, "--batch-size", "2"])


def test_the_tool_writes_over_no_weights(tmp_path):
    weights = tmp_path / "net.bin"
    weights.write_text("weights")
    arguments = [POSE, str(weights), "--out", str(tmp_path / "net.param")]
    with pytest.raises(SystemExit, match=r"--out: .*net\.bin is an input"):
        load_tool("export_onnx").main(arguments)
    assert weights.read_text() == "weights"
