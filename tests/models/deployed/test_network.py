"""Deployed networks compute what the trained ones compute."""

import functools
import subprocess
import sys

import pytest
import torch
from mmengine.model.efficient_conv_bn_eval import turn_on_efficient_conv_bn_eval
from torch import nn

from mmlitehrnet.deploy import switch_to_deploy
from mmlitehrnet.models.deployed.form import DYNAMIC_FORMS, FORMS, find_form
from mmlitehrnet.models.layers.shuffle import ShuffleUnit
from tests.models.backbones.reference import difference, fresh_weights, images
from tests.models.deployed.networks import (
    FOUR,
    KINDS,
    NETWORKS,
    assert_same,
    shallow,
    trained,
)

# A list: all processes of a run must collect tests in the same order.
ALL_FORMS = sorted(set(FORMS.values()).union(*DYNAMIC_FORMS.values()), key=repr)


@functools.cache
def expected(name, *shape):
    """What a trained network gives for images of a shape."""
    with torch.no_grad():
        return trained(NETWORKS[name])(images(*shape, dtype=torch.float64))


def assert_equal(deployed, name, *shape):
    x = images(*shape, dtype=torch.float64)
    with torch.no_grad():
        found = deployed(x)
    assert torch.equal(x, images(*shape, dtype=torch.float64))  # It stays as it is.
    for ours, theirs in zip(found, expected(name, *shape), strict=True):
        assert theirs.abs().max() > 1e-3
        assert difference(ours, theirs) <= 1e-8


@pytest.mark.parametrize("form", ALL_FORMS, ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_block_is_equal_in_every_form(name, form):
    deployed = switch_to_deploy(trained(NETWORKS[name]), form)
    assert_equal(deployed, name, 2, 3, 64, 96)
    other = (64, 64) if "official" in name else (70, 90)  # It takes multiples of 32.
    assert_equal(deployed, name, 1, 3, *other)


@pytest.mark.parametrize(
    "options",
    [
        dict(with_head=True, out_indices=(0, 1, 2, 3)),
        dict(with_head=False, out_indices=(0, 1, 2, 3)),
        dict(with_head=False, out_indices=(2, 1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["LITE", "SMALL"])
def test_every_choice_of_maps_is_equal(name, options):
    net = trained(NETWORKS[name], **options)
    deployed = switch_to_deploy(net, "onnxruntime")
    assert deployed.out_channels == net.out_channels
    assert deployed.strides == net.strides
    assert_same(deployed, net, images(1, 3, 64, 64, dtype=torch.float64))


@pytest.mark.parametrize("name", FOUR)
def test_full_size_networks_are_equal_in_single_precision(name):
    net = fresh_weights(FOUR[name]()).eval()
    deployed = switch_to_deploy(net, "onnxruntime")
    assert_same(deployed, net, images(1, 3, 64, 64), 1e-4)


def test_dynamic_convolution_has_forms_of_its_own():
    dite, lite = trained(NETWORKS["DITE"]), trained(NETWORKS["LITE"])
    for target, form in FORMS.items():
        for batch_size in (1, 2, None):
            assert find_form(target, lite, batch_size) == form
    assert find_form("onnxruntime", dite).splits
    assert not find_form("pytorch", dite).splits
    assert find_form("pytorch", dite, 2).splits


def test_shuffle_units_compute_one_half_where_blocks_split():
    def weights(network):
        units = [m for m in network.modules() if isinstance(m, ShuffleUnit)]
        convs = [m for u in units for m in u.modules() if isinstance(m, nn.Conv2d)]
        return len(units), sum(conv.weight.numel() for conv in convs)

    net = trained(NETWORKS["NAIVE"])
    assert weights(switch_to_deploy(net, "ncnn")) == weights(net)
    assert weights(switch_to_deploy(net, "openvino"))[0] == 0


def test_no_batch_norm_split_or_shuffle_is_left():
    deployed = switch_to_deploy(trained(NETWORKS["LITE"]), "onnxruntime")
    assert not [m for m in deployed.modules() if "BatchNorm" in type(m).__name__]
    graph = torch.jit.trace(deployed, images(1, 3, 64, 64, dtype=torch.float64))
    kinds = {node.kind() for node in graph.inlined_graph.nodes()}
    moving = {"split", "chunk", "stack", "transpose", "permute", "index_select"}
    assert not kinds & {f"aten::{name}" for name in moving}


@pytest.mark.parametrize(
    "name, target",
    [
        *((name, "pytorch") for name in KINDS),
        ("NAIVE", "ncnn"),
        ("DITE", "onnxruntime"),
    ],
)
def test_torch_fx_traces_the_deployed_form(name, target):
    traced = torch.fx.symbolic_trace(switch_to_deploy(trained(NETWORKS[name]), target))
    assert_equal(traced, name, 2, 3, 64, 96)
    assert_equal(traced, name, 1, 3, 70, 90)


def test_mmengines_efficient_evaluation_finds_nothing_to_do():
    net, x = trained(NETWORKS["LITE"]), images(1, 3, 64, 64, dtype=torch.float64)
    model = nn.ModuleDict(dict(backbone=switch_to_deploy(net)))
    turn_on_efficient_conv_bn_eval(model, "backbone")
    assert_same(model["backbone"], net, x)


@pytest.mark.slow
@pytest.mark.parametrize("target", FORMS)
@pytest.mark.parametrize("name", ["LITE", "DITE"])
def test_torchscript_takes_any_number_of_images(name, target):
    deployed = switch_to_deploy(trained(NETWORKS[name]), target, batch_size=2)
    x = images(2, 3, 64, 64, dtype=torch.float64)
    traced = torch.jit.freeze(torch.jit.trace(deployed, x, check_trace=False))
    for batch in (1, 2, 3):
        assert_equal(traced, name, batch, 3, 64, 64)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, form",
    [*((name, "deployed") for name in KINDS), ("LITE", "trained"), ("DITE", "trained")],
)
def test_compile_captures_one_graph(name, form):
    net = shallow(name)
    network = switch_to_deploy(net) if form == "deployed" else net
    torch._dynamo.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    shapes = [(1, 3, 64, 64), (2, 3, 96, 128), (3, 3, 70, 90)]
    several = form == "deployed" and name in ("LITE", "DITE")
    for shape in shapes if several else shapes[:1]:
        assert_same(compiled, net, images(*shape, dtype=torch.float64))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LITE", "DITE"])
def test_export_captures_the_deployed_network(name):
    net = shallow(name)
    x = images(1, 3, 64, 64, dtype=torch.float64)
    program = torch.export.export(switch_to_deploy(net), (x,))
    module = program.module() if hasattr(program, "module") else program
    assert_same(module, net, images(1, 3, 64, 64, dtype=torch.float64, seed=3))


def test_a_deployed_network_takes_a_memory_format():
    deployed = switch_to_deploy(trained(NETWORKS["DITE"]))
    assert_equal(deployed.to(memory_format=torch.channels_last), "DITE", 2, 3, 64, 96)


def test_batch_norm_without_scale_and_bias():
    net = fresh_weights(NETWORKS["DITE"](norm_cfg=dict(type="BN", affine=False)))
    net = net.double().eval()
    assert_same(switch_to_deploy(net), net, images(1, 3, 64, 64, dtype=torch.float64))


def test_what_cannot_be_deployed_is_named():
    net = NETWORKS["SMALL"]()
    net.conv1.padding_mode = "reflect"
    with pytest.raises(ValueError, match="padding_mode=reflect cannot be deployed"):
        switch_to_deploy(net)
    net.conv1 = nn.ConvTranspose2d(3, 64, 2, 2)
    with pytest.raises(TypeError, match="no convolution before ConvTranspose2d"):
        switch_to_deploy(net)


def test_bad_images_are_named():
    deployed = switch_to_deploy(trained(NETWORKS["LITE"]))
    with pytest.raises(ValueError, match=r"shape \(N, 3, H, W\).* got \(3, 64, 64\)"):
        deployed(images(3, 64, 64, dtype=torch.float64))
    with pytest.raises(ValueError, match="floating-point .* got torch.uint8"):
        deployed(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))


def test_networks_import_the_form_when_they_are_switched():
    code = (
        "import sys, mmlitehrnet; net = mmlitehrnet.SmallHRNet()\n"
        "loaded = lambda: 'mmlitehrnet.models.deployed.form' in sys.modules\n"
        "assert not loaded(); net.switch_to_deploy(); assert loaded()"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
