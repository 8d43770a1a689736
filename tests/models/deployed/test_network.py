"""Deployed networks compute what the trained ones compute."""

import pytest
import torch
from torch import nn

from mmlitehrnet.deploy import switch_to_deploy
from mmlitehrnet.deploy.export import export_onnx
from mmlitehrnet.models.deployed.blocks import ExactUnit, ShuffledUnit
from mmlitehrnet.models.deployed.convs import ChannelScale
from mmlitehrnet.models.deployed.forms import DYNAMIC_FORMS, FORMS
from mmlitehrnet.models.deployed.fusion import FusedRow
from mmlitehrnet.models.layers.shuffle import ShuffleUnit
from tests.models.backbones.reference import images
from tests.models.deployed.networks import (
    FOUR,
    NETWORKS,
    assert_same,
    shallow,
    trained,
)

OUTPUTS = {
    "head": dict(),
    "head, all maps": dict(with_head=True, out_indices=(0, 1, 2, 3)),
    "no head": dict(with_head=False, out_indices=(0, 1, 2, 3)),
    "two maps": dict(with_head=False, out_indices=(2, 1)),
}


ALL_FORMS = {
    **FORMS,
    **{f"{k}, {'several' if n else 'one'}": v for (k, n), v in DYNAMIC_FORMS.items()},
}


@pytest.mark.parametrize("form", ALL_FORMS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_block_is_equal_in_every_form(name, form):
    net = trained(NETWORKS[name])
    deployed = switch_to_deploy(net, ALL_FORMS[form])
    for batch in (1, 2):
        assert_same(deployed, net, images(batch, 3, 64, 96, dtype=torch.float64))


@pytest.mark.parametrize("target", FORMS)
def test_a_network_for_several_images_takes_any_number(target):
    net = trained(NETWORKS["DITE"])
    deployed = switch_to_deploy(net, target, batch_size=3)
    assert deployed.deployed.form.halves == (target != "ncnn")
    for batch in (1, 2, 3):
        assert_same(deployed, net, images(batch, 3, 64, 96, dtype=torch.float64))


@pytest.mark.parametrize("target", FORMS)
@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("name", ["LITE", "NAIVE", "DITE", "SMALL"])
def test_every_choice_of_maps_is_equal(name, outputs, target):
    net = trained(NETWORKS[name], **OUTPUTS[outputs])
    deployed = switch_to_deploy(net, target)
    assert deployed.out_channels == net.out_channels
    assert deployed.strides == net.strides
    assert_same(deployed, net, images(1, 3, 64, 64, dtype=torch.float64))


@pytest.mark.parametrize(
    "name", ["LITE", "LITE_DSC", "NAIVE", "DITE", "SMALL bilinear"]
)
def test_pytorch_form_takes_any_size(name):
    net = trained(NETWORKS[name])
    x = images(2, 3, 70, 90, dtype=torch.float64)
    for batch_size in (1, 2):
        assert_same(switch_to_deploy(net, batch_size=batch_size), net, x)


@pytest.mark.parametrize("name", FOUR)
def test_full_size_networks_are_equal_in_single_precision(name):
    torch.manual_seed(0)
    net = FOUR[name]()
    for module in net.modules():
        # Default initialisation, but statistics that are not fresh.
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    net.eval()
    for target in FORMS:
        assert_same(switch_to_deploy(net, target), net, images(1, 3, 64, 64), 1e-4)


@pytest.mark.parametrize(
    "target, unit", [("onnxruntime-1-thread", ExactUnit), ("ncnn", ShuffledUnit)]
)
def test_shuffle_units_compute_one_half(target, unit):
    net = trained(NETWORKS["NAIVE"])
    deployed = switch_to_deploy(net, target)

    def weights(network, kind):
        units = [m for m in network.modules() if isinstance(m, kind)]
        convs = [m for u in units for m in u.modules() if isinstance(m, nn.Conv2d)]
        return len(units), sum(conv.weight.numel() for conv in convs)

    assert weights(deployed, unit) == weights(net, ShuffleUnit)


@pytest.mark.parametrize("name", ["NAIVE", "LITE"])
def test_sums_take_halves_alone_into_the_blocked_layout(name):
    net = switch_to_deploy(trained(NETWORKS[name]), "onnxruntime-1-thread")
    rows = [module for module in net.modules() if isinstance(module, FusedRow)]
    scaled = [isinstance(row.own, ChannelScale) for row in rows]
    assert scaled and set(scaled) == {name == "NAIVE"}


def test_a_file_for_one_thread_takes_any_number_and_size(tmp_path):
    net = trained(NETWORKS["NAIVE"]).float()
    options = dict(dynamic_batch=True, dynamic_size=True, target="onnxruntime-1-thread")
    found = export_onnx(net, tmp_path / "net.onnx", (64, 96), **options)
    assert found.scale > 1e-3
    assert found.relative < 1e-5


def test_a_deployed_network_takes_a_memory_format():
    net = trained(NETWORKS["DITE"])
    deployed = switch_to_deploy(net).to(memory_format=torch.channels_last)
    assert_same(deployed, net, images(2, 3, 64, 64, dtype=torch.float64))


def test_no_batch_norm_split_or_shuffle_is_left():
    deployed = switch_to_deploy(trained(NETWORKS["LITE"]), "onnxruntime")
    norms = [m for m in deployed.modules() if "BatchNorm" in type(m).__name__]
    assert not norms
    graph = torch.jit.trace(deployed, images(1, 3, 64, 64, dtype=torch.float64))
    kinds = {node.kind() for node in graph.inlined_graph.nodes()}
    moving = {"split", "chunk", "stack", "transpose", "permute", "index_select"}
    assert not kinds & {f"aten::{name}" for name in moving}


@pytest.mark.parametrize("form", ["trained", "deployed"])
@pytest.mark.parametrize("name", ["LITE", "DITE", "NAIVE", "SMALL"])
def test_torchscript(name, form):
    net = trained(NETWORKS[name])
    network = switch_to_deploy(net) if form == "deployed" else net
    x = images(1, 3, 64, 64, dtype=torch.float64)
    traced = torch.jit.freeze(torch.jit.trace(network, x))
    assert_same(traced, net, images(1, 3, 64, 64, dtype=torch.float64, seed=3))


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("target", FORMS)
def test_torchscript_takes_any_number_of_images(target, batch_size):
    net = trained(NETWORKS["DITE"])
    deployed = switch_to_deploy(net, target, batch_size=batch_size)
    x = images(batch_size, 3, 64, 64, dtype=torch.float64)
    # The tracer's own check is slow, and made above.
    traced = torch.jit.trace(deployed, x, check_trace=False)
    for batch in (1, 2, 3):
        assert_same(traced, net, images(batch, 3, 64, 64, dtype=torch.float64))


@pytest.mark.parametrize("form", ["trained", "deployed"])
@pytest.mark.parametrize("name", ["LITE", "DITE", "NAIVE", "SMALL"])
def test_compile_captures_one_graph(name, form):
    net = shallow(name)
    network = switch_to_deploy(net) if form == "deployed" else net
    x = images(1, 3, 64, 64, dtype=torch.float64)
    torch._dynamo.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    assert_same(compiled, net, x)


@pytest.mark.parametrize("name", ["LITE", "DITE"])
def test_compile_captures_one_graph_for_several_shapes(name):
    net = shallow(name)
    torch._dynamo.reset()
    compiled = torch.compile(switch_to_deploy(net), backend="eager", fullgraph=True)
    for shape in ((1, 3, 64, 64), (2, 3, 96, 128), (3, 3, 70, 90)):
        assert_same(compiled, net, images(*shape, dtype=torch.float64))


@pytest.mark.parametrize("name", ["LITE", "DITE"])
def test_export_captures_the_deployed_network(name):
    net = shallow(name)
    x = images(1, 3, 64, 64, dtype=torch.float64)
    program = torch.export.export(switch_to_deploy(net), (x,))
    module = program.module() if hasattr(program, "module") else program
    assert_same(module, net, images(1, 3, 64, 64, dtype=torch.float64, seed=3))


@pytest.mark.parametrize("target", FORMS)
def test_images_stay_as_they_are(target):
    deployed = switch_to_deploy(trained(NETWORKS["SMALL"]), target)
    x = images(1, 3, 64, 64, dtype=torch.float64)
    before = x.clone()
    first, second = deployed(x), deployed(x)
    assert torch.equal(x, before)
    for a, b in zip(first, second):
        assert torch.equal(a, b)


def test_batch_norm_without_scale_and_bias():
    torch.manual_seed(0)
    net = NETWORKS["DITE"](norm_cfg=dict(type="BN", affine=False)).double().eval()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.01, 0.1)
    assert_same(switch_to_deploy(net), net, images(1, 3, 64, 64, dtype=torch.float64))


def test_bad_images_are_named():
    net = trained(NETWORKS["LITE"])
    x = images(1, 3, 70, 90, dtype=torch.float64)
    with pytest.raises(ValueError, match="multiples of 32, got .70, 90."):
        switch_to_deploy(net, "onnxruntime")(x)
    deployed = switch_to_deploy(net)
    with pytest.raises(ValueError, match=r"shape \(N, 3, H, W\).* got \(3, 64, 64\)"):
        deployed(images(3, 64, 64, dtype=torch.float64))
    with pytest.raises(ValueError, match="floating-point .* got torch.uint8"):
        deployed(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
