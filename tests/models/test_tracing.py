"""Other tools take the networks: torch.fx, quantisation, torch's tracing exporter."""

import copy
import inspect
import io
import pickle

import onnxruntime
import pytest
import torch
from mmengine.model.efficient_conv_bn_eval import turn_on_efficient_conv_bn_eval
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException
from torch import nn
from torch.ao.quantization import get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import prepare_fx

from mmlitehrnet.deploy import switch_to_deploy
from tests.models.backbones.reference import difference, images, sane_weights
from tests.models.deployed.networks import KINDS, NETWORKS


def make(kind):
    """A network with weights on which differences show, and no rounding grows."""
    net = sane_weights(NETWORKS[kind]()).eval()
    for key, parameter in net.named_parameters():
        if "conv_mask" in key:  # Its softmax would make rounding a factor of 1e9.
            parameter.data *= 1e-3
    return net


@pytest.mark.parametrize("name", [*KINDS, "LITE_ACM_DSC", "SMALL bilinear"])
def test_torch_fx_traces_them(name):
    net = make(name)
    x = images(2, 3, 64, 96)
    traced = torch.fx.symbolic_trace(net)
    assert all(torch.equal(a, b) for a, b in zip(traced(x), net(x)))
    with pytest.raises(ValueError, match="channels|shape"):  # still checked
        traced(x[:, :2])
    net.train(), traced.train()
    twin = copy.deepcopy(net)
    trained = torch.fx.symbolic_trace(twin)
    assert all(torch.equal(a, b) for a, b in zip(trained(x), net(x)))
    statistics = twin.state_dict()
    for name_, value in net.state_dict().items():
        assert torch.equal(statistics[name_], value), name_


@pytest.mark.parametrize("name", KINDS)
def test_efficient_evaluation_of_mmengine_has_equal_gradients(name):
    net = make(name).double()
    twin = nn.ModuleDict({"backbone": copy.deepcopy(net)})
    turn_on_efficient_conv_bn_eval(twin, "backbone")
    x = images(2, 3, 64, 96).double()
    maps, expected = twin["backbone"](x), net(x)
    assert all(difference(a, b) < 1e-9 for a, b in zip(maps, expected))
    sum(y.square().mean() for y in maps).backward()
    sum(y.square().mean() for y in expected).backward()
    largest = max(p.grad.abs().max() for p in net.parameters() if p.grad is not None)
    for ours, theirs in zip(twin.parameters(), net.parameters()):
        if theirs.grad is not None:
            assert torch.allclose(ours.grad, theirs.grad, 1e-6, 1e-9 * largest)


@pytest.mark.slow
@pytest.mark.parametrize("target", [None, "openvino"])
@pytest.mark.parametrize("name", KINDS)
def test_fx_quantisation_prepares_them(name, target):
    net = make(name)
    form = copy.deepcopy(net) if target is None else switch_to_deploy(net, target)
    x = images(1, 3, 64, 64)
    prepared = prepare_fx(form, get_default_qconfig_mapping("x86"), (x,))
    observers = [m for m in prepared.modules() if "Observer" in type(m).__name__]
    assert len(observers) > 50
    assert all(difference(a, b) < 1e-4 for a, b in zip(prepared(x), net(x)))


NEW = "dynamo" in inspect.signature(torch.onnx.export).parameters  # not torch 2.1
TRACE = {"dynamo": False} if NEW else {}


@pytest.mark.filterwarnings("ignore")
# With torch's default opset, and with mmdeploy's.
@pytest.mark.parametrize(
    "kind, opset", [("LITE", None), ("NAIVE", 11), ("DITE", 11), ("SMALL", None)]
)
def test_torchs_tracing_exporter_takes_them(kind, opset):
    net = make(kind)
    dynamic, file = opset is None and kind != "DITE", io.BytesIO()
    torch.onnx.export(
        net,
        (images(1, 3, 64, 96),),
        file,
        input_names=["images"],
        dynamic_axes={"images": {0: "batch"}} if dynamic else None,
        **TRACE,
        **({} if opset is None else {"opset_version": opset}),
    )
    session = onnxruntime.InferenceSession(
        file.getvalue(), providers=["CPUExecutionProvider"]
    )
    x = images(3 if dynamic else 1, 3, 64, 96)
    found = session.run(None, {"images": x.numpy()})
    exact = copy.deepcopy(net).double()(x.double())
    for ours, theirs, true in zip(found, net(x), exact):
        noise = difference(theirs, true)  # of float32, in this network
        assert difference(torch.from_numpy(ours), theirs) < 1e-4 + 4 * noise
        assert noise < 1e-3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "target, traced",
    [(None, 1), ("pytorch", 2), ("onnxruntime", 1), ("onnxruntime", 2)],
)
def test_no_file_of_a_dite_hrnet_is_wrong_for_more_images(target, traced):
    """Its kernels are those of a number of images: others are right or refused."""
    net = make("DITE")
    net = net if target is None else switch_to_deploy(net, target)
    file, axes = io.BytesIO(), {"images": {0: "batch"}}
    options = dict(input_names=["images"], dynamic_axes=axes, **TRACE)
    try:
        torch.onnx.export(net, (images(traced, 3, 64, 96),), file, **options)
    except torch.onnx.errors.SymbolicValueError:
        assert target is None or (traced, target) == (2, "onnxruntime")
        return
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    right = set()
    for number in (1, 2, 3):
        x = images(number, 3, 64, 96)
        try:
            found = session.run(None, {"images": x.numpy()})
        except (Fail, RuntimeException):
            continue
        for ours, theirs in zip(found, net(x)):
            assert difference(torch.from_numpy(ours), theirs) < 2e-4
        right.add(number)
    assert right == {traced} or right == {1, 2, 3}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "kind, target",
    [
        *((kind, None) for kind in KINDS),
        *(("LITE", "onnxruntime"), ("NAIVE", "openvino"), ("DITE", "onnxruntime")),
        *(("SMALL", "pytorch"), ("LITE", "pytorch")),
    ],
)
def test_torchscript_is_right_at_other_sizes_or_refuses(kind, target):
    net = make(kind)
    form = net if target is None else switch_to_deploy(net, target)
    right, expected = {}, {}
    for size in ((64, 64), (96, 160), (70, 86)):
        expected[size] = form(images(1, 3, *size))
    for traced_at in ((64, 64), (70, 86)):
        traced = torch.jit.trace(form, images(1, 3, *traced_at), check_trace=False)
        for size, maps in expected.items():
            try:
                found = traced(images(1, 3, *size))
            except RuntimeError:
                continue
            for ours, theirs in zip(found, maps):
                assert difference(ours, theirs) < 1e-3, (traced_at, size)
            right.setdefault(traced_at, []).append(size)
    fixed = (kind, target) == ("LITE", "onnxruntime")
    others = [] if fixed else [(96, 160)]
    assert right == {(64, 64): [(64, 64), *others], (70, 86): [(70, 86)]}


def test_layers_that_fx_does_not_enter_keep_their_names():
    for layer in make("DITE").modules():
        again = pickle.loads(pickle.dumps(type(layer)))
        assert again is type(layer)
