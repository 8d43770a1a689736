"""Files in 8-bit integers: what is quantised, how far they are, and what is refused."""

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from mmengine.config import Config

from mmlitehrnet import SmallHRNet
from mmlitehrnet.apis.calibration import calibration_images
from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.deploy.export import export_onnx
from mmlitehrnet.deploy.quantization import equalize, split_images
from mmlitehrnet.deploy.runner import PoseRunner
from sample_data import make_coco
from tests.deploy.models import scene
from tests.deploy.test_export import network
from tests.models.backbones.reference import images
from tests.robustness.recipes import make_data, small_config
from tests.tools import load_tool

INT8 = dict(precision="int8", calibration=images(8, 3, 64, 96))


def producers(file):
    """Output of a file -> the node that it comes from."""
    return {name: node for node in file.graph.node for name in node.output}


def is_depthwise(conv):
    return any(a.name == "group" and a.i > 1 for a in conv.attribute)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LITE", "DITE"])
def test_openvino_gets_integers_in_dense_convolutions_alone(name, tmp_path):
    path = tmp_path / "net.onnx"
    found = export_onnx(network(name), path, (64, 96), "openvino", **INT8)
    assert 1e-4 < found.relative < 0.3
    file = onnx.load(path)
    before, weights = producers(file), {t.name for t in file.graph.initializer}
    convs = [node for node in file.graph.node if node.op_type == "Conv"]
    for conv in convs:
        kinds = [getattr(before.get(x), "op_type", None) for x in conv.input[:2]]
        computed = conv.input[1] not in weights and kinds[1] != "DequantizeLinear"
        first = "/stem/" in conv.name or "/parts.0/" in conv.name
        quantised = not is_depthwise(conv) and not computed and not first
        assert (kinds == ["DequantizeLinear"] * 2) == quantised
    # Nothing is rounded but for them: others read the map as it was, too.
    rounded = {n.output[0] for n in file.graph.node if n.op_type == "DequantizeLinear"}
    readers = [node for node in file.graph.node if rounded & {*node.input}]
    # A bias may pass an Identity to a second reader.
    assert rounded and {node.op_type for node in readers} <= {"Conv", "Identity"}
    assert not any(map(is_depthwise, readers))
    read = {n.input[0] for n in file.graph.node if n.op_type == "QuantizeLinear"}
    assert len(convs) > 20 and read
    session = onnxruntime.InferenceSession(path)
    x = INT8["calibration"][:1].numpy()
    options = {"INFERENCE_PRECISION_HINT": "f32", "PERF_COUNT": True}
    request = openvino.Core().compile_model(path, "CPU", options).create_infer_request()
    (expected,), (y,) = session.run(None, {"input": x}), request.infer([x]).values()
    # A value on the edge of two steps falls to either side.
    assert np.abs(y - expected).mean() < 0.02 * np.abs(expected).max()
    nodes = [i for i in request.get_profiling_info() if i.node_type == "Convolution"]
    in_integers = [node for node in nodes if node.exec_type.endswith("I8")]
    assert len(in_integers) > 0.8 * len(nodes)


def test_equalizing_changes_no_result(tmp_path):
    path, net = tmp_path / "net.onnx", network("NAIVE")
    export_onnx(net, path, (64, 96), "openvino")
    before, x = path.read_bytes(), INT8["calibration"][:1].numpy()
    expected = onnxruntime.InferenceSession(before).run(None, {"input": x})
    equalize(path, [{"input": x}])
    assert path.read_bytes() != before
    (found,) = onnxruntime.InferenceSession(path).run(None, {"input": x})
    assert np.abs(found - expected[0]).max() < 1e-4 * np.abs(expected[0]).max()


def test_onnxruntime_computes_small_hrnet_in_integers(tmp_path):
    path, fused = tmp_path / "net.onnx", tmp_path / "fused.onnx"
    net = network("SMALL")
    found = export_onnx(net, path, (64, 96), "onnxruntime", **INT8)
    assert 1e-4 < found.relative < 0.3
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(fused)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(fused).graph.node]
    assert kinds.count("QLinearConv") > 50
    assert not {"Conv", "FusedConv"} & set(kinds)
    assert path.stat().st_size < 0.4 * 4 * sum(p.numel() for p in net.parameters())


def test_batches_are_those_of_the_file(tmp_path):
    path, net = tmp_path / "net.onnx", SmallHRNet().eval()
    options = dict(INT8, batch_size=3)  # of 8 images, the last with the first again
    assert export_onnx(net, path, (64, 96), **options).relative < 0.3
    options = dict(INT8, dynamic_batch=True)
    assert export_onnx(net, path, (64, 96), **options).relative < 0.3
    (given,) = onnxruntime.InferenceSession(path).get_inputs()
    assert given.shape == ["batch", 3, 64, 96]


def test_all_images_are_in_batches():
    x = INT8["calibration"][:5]
    first, second = split_images(x, (3, 3, 64, 96))
    assert torch.equal(torch.cat((first, second)), x[[0, 1, 2, 3, 4, 0]])
    (only,) = split_images(x[:1], (3, 3, 64, 96))
    assert torch.equal(only, x[[0, 0, 0]])


def test_what_cannot_be_quantised_is_named(tmp_path):
    path = tmp_path / "net.onnx"
    small, lite = SmallHRNet().eval(), network("LITE")
    none, other = dict(calibration=INT8["calibration"][:0]), dict(input_size=(64, 64))
    for match, (net, arguments) in {
        "precision must be one of .*, got 'int4'": (small, dict(precision="int4")),
        "for a target of .*, got 'pytorch'": (small, dict(target="pytorch")),
        "for a target of .*, got None": (small, dict(target=None)),
        "slower than float32 in onnxruntime": (lite, {}),
        "cannot be combined with rtmlib": (small, dict(rtmlib=True)),
        r"images of shape \(3, 64, 64\), .* got \(8, 3, 64, 96\)": (small, other),
        r"images of shape \(3, 64, 96\), .* got \(0, 3, 64, 96\)": (small, none),
    }.items():
        with pytest.raises(ValueError, match=match):
            export_onnx(net, path, **({"input_size": (64, 96)} | INT8 | arguments))
    for kind, given in (("NoneType", None), ("torch.uint8", torch.zeros(1).byte())):
        with pytest.raises(TypeError, match=f"calibration must be a tensor .* {kind}"):
            export_onnx(small, path, (64, 96), precision="int8", calibration=given)
    assert not path.exists()


def test_what_is_wrong_in_float32_is_not_quantised(tmp_path, monkeypatch):
    path, net = tmp_path / "net.onnx", SmallHRNet().eval()
    monkeypatch.setattr(
        "mmlitehrnet.deploy.export.deploy_model", lambda *_: SmallHRNet().eval()
    )
    with pytest.raises(ValueError, match="cannot be quantised, as its file is not equ"):
        export_onnx(net, path, (64, 96), **INT8)
    assert not path.exists()


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco")
    make_coco(folder, num_train=1, num_val=2, quiet=True)
    return folder


@pytest.mark.slow
def test_tool_calibrates_on_the_configs_own_images(people, tmp_path, capsys):
    """As the model sees them in validation, evenly spread over the dataset."""
    path, config = tmp_path / "pose.onnx", tmp_path / "config.py"
    small_config("pose", "nowhere").dump(config)
    dataset = "val_dataloader.dataset"
    changes = [f"{dataset}.data_root={people}/", f"{dataset}.bbox_file=None"]
    arguments = [str(config), "--out", str(path), "--precision", "int8"]
    arguments += ["--target", "openvino"]
    tool = load_tool("export_onnx")
    with pytest.raises(SystemExit, match=r"cannot be read: .*\.data_root=\.\.\."):
        tool.main(arguments)
    arguments += ["--calibration-images", "3", "--cfg-options", *changes]
    assert tool.main(arguments) == 0
    assert "calibrated on 3 images" in capsys.readouterr().out
    run = PoseRunner(path, num_threads=1, runtime="openvino")
    points, scores = run(scene(), [[0, 0, 96, 128]])
    assert points.shape == (1, 17, 2) and np.isfinite(scores).all()
    before = path.read_bytes()
    assert tool.main([*arguments, "--tolerance", "1e-6"]) == 1
    assert path.read_bytes() == before


def test_images_are_spread_over_the_dataset(people):
    config = Config.fromfile("configs/pose/demo/litehrnet_18_sample_128x96.py")
    config.val_dataloader.dataset.update(data_root=f"{people}/", bbox_file=None)
    model = network_from_config(config)
    every = calibration_images(config, model, 1000)
    assert len(every) > 2
    assert torch.equal(calibration_images(config, model, 2), every[[0, -1]])


@pytest.mark.slow
def test_tool_calibrates_a_segmentation_network(tmp_path):
    config = small_config("seg", make_data("seg", tmp_path / "data", 1, 2))
    config.model.data_preprocessor.size = (128, 256)
    config.dump(tmp_path / "config.py")
    arguments = [str(tmp_path / "config.py"), "--out", str(tmp_path / "seg.onnx")]
    arguments += ["--precision", "int8", "--target", "openvino"]
    tool = load_tool("export_onnx")
    with pytest.raises(SystemExit, match=r"of shape \(3, 128, 256\), .* \(2, 3,"):
        tool.main(arguments)
    assert tool.main([*arguments, "--input-size", "64", "128"]) == 0
