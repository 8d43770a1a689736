"""Exported files compute what PyTorch computes, in ONNX Runtime and OpenVINO."""

import copy

import numpy as np
import onnx
import pytest
import torch
from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference

from mmlitehrnet import DiteHRNet, LiteHRNet
from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.deploy import switch_to_deploy
from mmlitehrnet.deploy.comparison import Difference, compare
from mmlitehrnet.deploy.export import export_onnx
from mmlitehrnet.deploy.tracing import trace_to_onnx
from tests.models.backbones.reference import fresh_weights, images
from tests.models.deployed.networks import KINDS, NETWORKS, table
from tests.robustness.recipes import small_config
from tests.running import ROOT
from tests.tools import run_tool


def network(name):
    return fresh_weights(NETWORKS[name]()).eval()


@pytest.mark.parametrize(
    "name, target",
    [(name, "onnxruntime") for name in KINDS]
    + [("DITE", None), ("DITE", "openvino"), ("LITE", "pytorch")],
)
def test_fixed_export(name, target, tmp_path):
    path = tmp_path / "net.onnx"
    result = export_onnx(network(name), path, (64, 96), target=target)
    assert result.scale > 1e-3
    assert result.relative < 1e-4
    file = onnx.load(path)
    onnx.checker.check_model(file)
    assert {node.domain for node in file.graph.node} == {""}
    assert file.opset_import[0].version == 13
    assert dims(SymbolicShapeInference.infer_shapes(file)) == [1, 16, 16, 24]


def dims(file):
    """Sizes of a file's first map."""
    shape = file.graph.output[0].type.tensor_type.shape
    return [dim.dim_value or dim.dim_param for dim in shape.dim]


def openvino_error(path, net, *batches):
    """How far a file in OpenVINO is from the trained network."""
    openvino = pytest.importorskip("openvino")
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(path, "CPU", options)
    errors = []
    for x in batches:
        with torch.no_grad():
            (expected,) = net(x)
        (found,) = compiled(x.numpy()).values()
        errors.append(np.abs(found - expected.numpy()).max() / expected.abs().max())
    return max(errors)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, target",
    [
        ("LITE", "onnxruntime"),
        ("NAIVE", "openvino"),
        ("DITE", "onnxruntime"),
        ("SMALL", "openvino"),
        ("LITE", None),  # takes another batch, of one size
    ],
)
def test_dynamic_export_in_onnxruntime_and_openvino(name, target, tmp_path):
    path, net = tmp_path / "net.onnx", network(name)
    options = dict(target=target, dynamic_batch=True, dynamic_size=target is not None)
    assert export_onnx(net, path, (64, 96), **options).relative < 1e-4
    others = images(3, 3, *((96, 64) if target else (64, 96)))
    assert openvino_error(path, net, images(1, 3, 64, 96), others) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
def test_dynamic_convolution_of_several_images(target, tmp_path):
    path = tmp_path / "net.onnx"
    net = network("DITE")
    result = export_onnx(net, path, (64, 64), target=target, batch_size=3)
    assert result.relative < 1e-4
    graph = onnx.load(path).graph
    (given,) = graph.input
    assert given.type.tensor_type.shape.dim[0].dim_value == 3
    computed = {given.name}
    for node in graph.node:
        if computed.intersection(node.input):
            computed.update(node.output)
    assert any(n.input[1] in computed for n in graph.node if n.op_type == "Conv")
    assert openvino_error(path, net, images(3, 3, 64, 64)) < 1e-4


class WithHead(torch.nn.Module):
    """A network with a convolution of each of its maps, as heads have them."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        self.convs = torch.nn.ModuleList(
            torch.nn.Conv2d(width, 5, kernel_size=1) for width in net.out_channels
        )

    def forward(self, x):
        results = [conv(y) for conv, y in zip(self.convs, self.net(x))]
        return (torch.cat([result.flatten(2) for result in results], dim=2),)


@pytest.mark.slow
def test_heads_read_the_maps_in_openvino(tmp_path):
    """Channels that are picked before a convolution it takes the wrong way round."""
    path, x = tmp_path / "net.onnx", images(1, 3, 64, 96)
    net = LiteHRNet(extra=table("LITE"), with_head=False, out_indices=(0, 1, 2, 3))
    trained = WithHead(net.eval())
    deployed = copy.deepcopy(trained)
    deployed.net = switch_to_deploy(net, "openvino")
    trace_to_onnx(deployed, x, path)
    assert openvino_error(path, trained, x) < 1e-4


def test_five_branches_take_multiples_of_64(tmp_path):
    path = tmp_path / "net.onnx"
    spec = dict(num_modules=(1,), num_channels=((16, 16, 16, 32, 32),))
    net = LiteHRNet(extra=dict(stages_spec=spec)).eval()
    for dynamic in (False, True):
        with pytest.raises(ValueError, match=r"multiples of 64\b"):
            export_onnx(net, path, (64, 96), dynamic_size=dynamic)
    assert export_onnx(net, path, (64, 128), dynamic_size=True).relative < 1e-4


def test_networks_that_do_not_pool_take_other_sides(tmp_path):
    path, size = tmp_path / "net.onnx", (70, 90)
    assert export_onnx(network("NAIVE"), path, size).relative < 1e-4
    assert export_onnx(network("SMALL"), path, size, None).relative < 1e-4
    for name, target in (("LITE", "onnxruntime"), ("DITE", None)):
        with pytest.raises(ValueError, match=r"multiples of 32 .* got \(70, 90\)"):
            export_onnx(network(name), path, size, target)


class Maps(torch.nn.Module):
    """A map of large values and one of small values."""

    def __init__(self, small):
        super().__init__()
        self.small = small

    def forward(self, x):
        return x * 1e6, x * self.small


def test_each_map_is_compared_by_its_own_values(tmp_path):
    x = images(1, 3, 4, 4)
    trace_to_onnx(Maps(1.0), x, tmp_path / "maps.onnx")
    assert compare(Maps(1.0), tmp_path / "maps.onnx", [x]).relative < 1e-6
    found = compare(Maps(2.0), tmp_path / "maps.onnx", [x])
    assert found.relative == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("relative", "noise", "within"),
    [
        (0.9e-4, 0, True),
        (1.1e-4, 1e-6, False),
        (1e-3, 1e-4, True),
        (0.9e-2, 1, True),
        (1.1e-2, 1, False),
        (1e-3, np.nan, False),
        (np.nan, 1, False),
    ],
)
def test_what_is_equal(relative, noise, within):
    assert Difference(0, 0, 1, relative, noise).within(1e-4) == within
    assert not Difference(0, 0, 1, relative, noise).within(0)


def test_the_model_stays_as_it_is_and_files_are_in_single_precision(tmp_path):
    path, net = tmp_path / "net.onnx", network("SMALL").bfloat16().train()
    net.bn1.eval()
    modes = [module.training for module in net.modules()]
    assert export_onnx(net, path, (64, 64)).relative < 1e-4
    assert onnx.load(path).graph.input[0].type.tensor_type.elem_type == 1  # FLOAT
    assert {parameter.dtype for parameter in net.parameters()} == {torch.bfloat16}
    assert [module.training for module in net.modules()] == modes


def test_onnxruntime_keeps_the_blocked_layout(tmp_path):
    """Between image and maps, nothing of the deployed graph moves data around."""
    path = tmp_path / "net.onnx"
    export_onnx(network("LITE"), path, (64, 96), target="onnxruntime")
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert kinds <= {
        "Conv", "Relu", "Sigmoid", "Mul", "Add", "Concat", "AveragePool",
        "GlobalAveragePool", "Resize", "Constant", "Identity",
    }  # fmt: skip


def test_bad_arguments_are_named(tmp_path):
    path = tmp_path / "net.onnx"
    net = network("DITE")
    official = DiteHRNet(extra=table("DITE"), context_pooling="official")
    for match, arguments in (
        ("opset must be an int of at least 13, got 11", dict(opset=11)),
        ("opset must be one that PyTorch .* writes, got 99", dict(opset=99)),
        ("path must end in '.onnx', got 'net.xml'", dict(path="net.xml")),
        ("precision must be 'int8' where", dict(calibration=images(1, 3, 64, 64))),
        ("multiples of 32 for", dict(input_size=(70, 90), dynamic_size=True)),
        ("target must .* dynamic_size", dict(target=None, dynamic_size=True)),
        ("target must .* dynamic_batch", dict(target=None, dynamic_batch=True)),
        ("target must be one of", dict(target="tflite")),
        ("input_size must be a height", dict(input_size=(64,))),
        ("input_size must be a height .* got 64", dict(input_size=64)),
        ("batch_size must be an int .* got 2.0", dict(batch_size=2.0)),
        ("dynamic_batch must be True or False, got 4", dict(dynamic_batch=4)),
        ("context_pooling must .*, got 'official'", dict(model=official)),
        ("backbone must be .* trained", dict(model=switch_to_deploy(net))),
    ):
        options = dict(model=net, path=path, input_size=(64, 64)) | arguments
        if options["model"] is official:
            options["dynamic_size"] = True
        with pytest.raises(ValueError, match=match):
            export_onnx(**options)


def test_a_detector_is_named(tmp_path):
    config = "configs/det/litehrnet_18_gfl_person_416x416.py"
    arguments = (config, "--out", tmp_path / "x.onnx", "--input-size", 64, 64)
    with pytest.raises(SystemExit, match="cannot export: a backbone.*but not GFL"):
        run_tool("export_onnx", *arguments)


@pytest.mark.slow
def test_tool_exports_a_pose_config(tmp_path, capsys):
    path, config = tmp_path / "pose.onnx", tmp_path / "config.py"
    small_config("pose", tmp_path).dump(config)
    arguments = ("export_onnx", config, "--out", path, "--input-size", 64, 64)
    assert run_tool(*arguments) == 0
    assert "mean" in capsys.readouterr().out
    # Not equal within nothing: the command fails, and leaves the file that is there.
    before = path.stat().st_mtime_ns
    assert run_tool(*arguments, "--tolerance", 0) == 1
    assert "give a larger --tolerance" in capsys.readouterr().err
    assert path.stat().st_mtime_ns == before
    assert {*tmp_path.iterdir()} == {config, path}


def test_tool_names_options_that_are_wrong(tmp_path, capsys):
    out = tmp_path / "x.onnx"
    for match, options in {
        "--calibration-images is for --precision int8": ["--calibration-images", "3"],
        "--tolerance must be at least 0, got nan": ["--tolerance", "nan"],
    }.items():
        with pytest.raises(SystemExit):
            run_tool("export_onnx", "config.py", "--out", out, *options)
        assert match in capsys.readouterr().err
    config = tmp_path / "config.py"
    base = ROOT / "configs/pose/litehrnet_18_coco_256x192.py"
    config.write_text(f"_base_ = {str(base)!r}\ntest_dataloader = None\n")
    with pytest.raises(SystemExit, match="the config gives no input size"):
        run_tool("export_onnx", config, "--out", out)


def test_tool_writes_over_no_input_and_no_folder(tmp_path):
    config = tmp_path / "config.py"
    config.write_text("model = dict()")
    weights = tmp_path / "weights.bin"
    weights.write_text("weights")
    folder = tmp_path / "folder.onnx"
    folder.mkdir()
    for out, match in {
        config: "must end in .onnx or .param, got",
        tmp_path / "." / "weights.param": "weights.bin is an input",
        folder: "is no file",
        weights / "x.onnx": "weights.bin",
    }.items():
        with pytest.raises(SystemExit, match=f"--out: .*{match}"):
            run_tool("export_onnx", config, weights, "--out", out)
    assert weights.read_text() == "weights"
    for path in (folder, tmp_path / "missing" / "x.onnx"):
        with pytest.raises(OSError, match="cannot be written"):
            export_onnx(network("SMALL"), path, (64, 64))


@pytest.mark.slow
def test_tool_exports_a_segmentation_config_with_weights(tmp_path):
    config, weights = tmp_path / "config.py", tmp_path / "weights.pth"
    small = small_config("seg", tmp_path)
    small.dump(config)
    model = network_from_config(small)
    torch.save(dict(state_dict=model.state_dict()), weights)
    out = ["--out", tmp_path / "x.onnx", "--input-size"]
    assert run_tool("export_onnx", config, weights, *out, 64, 128) == 0
    for match, *given in (
        ("there is no such file$", config, tmp_path / "missing.pth", *out, 64, 128),
        ("config missing.py: there is no such file$", "missing.py", *out, 64, 128),
        ("cannot export: .*multiples of 32", config, *out, 70, 90),
    ):
        with pytest.raises(SystemExit, match=match):
            run_tool("export_onnx", *given)
