"""Deployed networks compute what the trained ones compute."""

import functools
import subprocess
import sys

import pytest
import torch
from mmengine.model.efficient_conv_bn_eval import turn_on_efficient_conv_bn_eval
from torch import nn
from torch.ao.quantization import get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import prepare_fx

from mmlitehrnet.deploy import switch_to_deploy
from mmlitehrnet.models.deployed.form import DYNAMIC_FORMS, FORMS, find_form
from mmlitehrnet.models.layers.shuffle import ShuffleUnit
from tests.models.backbones.reference import difference, images
from tests.models.deployed.networks import (
    FOUR,
    NETWORKS,
    assert_same,
    shallow,
    trained,
)

#: One small network of each class.
KINDS = ("LITE", "NAIVE", "DITE", "SMALL")
# A list: all processes of a run must collect tests in the same order.
ALL_FORMS = sorted(set(FORMS.values()).union(*DYNAMIC_FORMS.values()), key=repr)
BOTH = pytest.mark.parametrize("form", ["trained", "deployed"])


@functools.cache
def expected(name, *shape):
    """What a trained network gives for images of a shape."""
    with torch.no_grad():
        return trained(NETWORKS[name])(images(*shape, dtype=torch.float64))


def assert_equal(deployed, name, *shape):
    with torch.no_grad():
        found = deployed(images(*shape, dtype=torch.float64))
    for ours, theirs in zip(found, expected(name, *shape), strict=True):
        assert theirs.abs().max() > 1e-3
        assert difference(ours, theirs) <= 1e-8


@pytest.mark.parametrize("form", ALL_FORMS, ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_block_is_equal_in_every_form(name, form):
    deployed = switch_to_deploy(trained(NETWORKS[name]), form)
    for batch in (1, 2):
        assert_equal(deployed, name, batch, 3, 64, 96)
    if "official" not in name:  # Which takes multiples of 32.
        assert_equal(deployed, name, 1, 3, 70, 90)


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
    torch.manual_seed(0)
    net = FOUR[name]()
    for module in net.modules():
        # Default initialisation, but statistics that are not fresh.
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for values, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -0.5, 0.5),
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2),
            ):
                nn.init.uniform_(values, low, high)
    net.eval()
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


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_tools_made_of_torch_fx_take_the_deployed_form(name):
    """FX quantisation finds the convolutions, MMEngine's option nothing to do."""
    net = trained(NETWORKS[name]).float()
    deployed, x = switch_to_deploy(net, "openvino"), images(1, 3, 64, 64)
    mapping = get_default_qconfig_mapping("x86")
    prepared = prepare_fx(deployed, mapping, (x,))
    observers = [m for m in prepared.modules() if "Observer" in type(m).__name__]
    assert len(observers) > 50
    assert_same(prepared, net, x, 1e-4)
    model = nn.ModuleDict(dict(backbone=switch_to_deploy(net)))
    turn_on_efficient_conv_bn_eval(model, "backbone")
    assert_same(model["backbone"], net, x, 1e-4)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("name", KINDS)
def test_torchscript_takes_other_images(name, form):
    net = trained(NETWORKS[name])
    network = switch_to_deploy(net) if form == "deployed" else net
    x = images(1, 3, 64, 64, dtype=torch.float64)
    traced = torch.jit.freeze(torch.jit.trace(network, x, check_trace=False))
    assert_equal(traced, name, 1, 3, 64, 64)
    if form == "deployed":  # A trained Dite-HRNet keeps the number of samples.
        assert_equal(traced, name, 3, 3, 64, 64)


@pytest.mark.slow
@pytest.mark.parametrize("target", FORMS)
def test_torchscript_takes_any_number_of_images(target):
    deployed = switch_to_deploy(trained(NETWORKS["DITE"]), target, batch_size=2)
    x = images(2, 3, 64, 64, dtype=torch.float64)
    traced = torch.jit.trace(deployed, x, check_trace=False)
    for batch in (1, 2, 3):
        assert_equal(traced, "DITE", batch, 3, 64, 64)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("name", KINDS)
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


@pytest.mark.parametrize("name", KINDS)
def test_images_stay_as_they_are(name):
    deployed = switch_to_deploy(trained(NETWORKS[name]))
    x = images(1, 3, 64, 64, dtype=torch.float64)
    before = x.clone()
    first, second = deployed(x), deployed(x)
    assert torch.equal(x, before)
    assert all(torch.equal(a, b) for a, b in zip(first, second))


def test_a_deployed_network_takes_a_memory_format():
    deployed = switch_to_deploy(trained(NETWORKS["DITE"]))
    assert_equal(deployed.to(memory_format=torch.channels_last), "DITE", 2, 3, 64, 96)


def test_batch_norm_without_scale_and_bias():
    torch.manual_seed(0)
    net = NETWORKS["DITE"](norm_cfg=dict(type="BN", affine=False)).double().eval()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.01, 0.1)
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
