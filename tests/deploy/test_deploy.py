"""Deployed networks compute what the trained ones compute."""

import copy
import pickle

import pytest
import torch
from mmengine import Config
from torch import nn

from mmlitehrnet import DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet
from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.deploy import deploy_model, switch_to_deploy
from mmlitehrnet.deploy.fold import fold_norms
from mmlitehrnet.deploy.forms import DYNAMIC_FORMS, FORMS, find_form
from tests.models.backbones.reference import difference, images, sane_weights


def table(module_type, num_blocks=2, modules=(1, 1, 1)):
    """A small network of three stages."""
    widths = (16, 32, 64, 96)
    return dict(
        num_stages=3,
        stages_spec=dict(
            num_modules=modules,
            num_branches=(2, 3, 4),
            num_blocks=(num_blocks,) * 3,
            module_type=(module_type,) * 3,
            with_fuse=(True,) * 3,
            reduce_ratios=(8,) * 3,
            num_channels=tuple(widths[:n] for n in (2, 3, 4)),
        ),
    )


def lite(kind):
    return lambda **kwargs: LiteHRNet(extra=table(kind), **kwargs)


def naive(kind):
    return lambda **kwargs: NaiveLiteHRNet(extra=table(kind), **kwargs)


def dite(pooling):
    return lambda **kwargs: DiteHRNet(
        extra=table("DITE"), context_pooling=pooling, **kwargs
    )


def small(upsample):
    return lambda **kwargs: SmallHRNet(upsample=upsample, **kwargs)


NETWORKS = {
    **{kind: lite(kind) for kind in LiteHRNet.block_types if kind != "NAIVE"},
    **{kind: naive(kind) for kind in NaiveLiteHRNet.block_types},
    "three blocks": lambda **kwargs: LiteHRNet(extra=table("LITE", 3), **kwargs),
    "DITE": dite("window"),
    "DITE official": dite("official"),
    "SMALL": small("nearest"),
    "SMALL bilinear": small("bilinear"),
}
FOUR = {
    "LiteHRNet": LiteHRNet,
    "NaiveLiteHRNet": NaiveLiteHRNet,
    "DiteHRNet": DiteHRNet,
    "SmallHRNet": SmallHRNet,
}
OUTPUTS = {
    "head": dict(),
    "head, all maps": dict(with_head=True, out_indices=(0, 1, 2, 3)),
    "no head": dict(with_head=False, out_indices=(0, 1, 2, 3)),
    "two maps": dict(with_head=False, out_indices=(2, 1)),
}


def trained(make, **kwargs):
    """A network with trained-looking weights in double precision."""
    torch.manual_seed(0)
    net = sane_weights(make(**kwargs)).double().eval()
    for name, parameter in net.named_parameters():
        if "conv_mask" in name:  # Sharp masks make the network chaotic.
            parameter.data *= 0.1
    return net


def assert_same(deployed, net, x, tolerance=1e-8):
    with torch.no_grad():
        expected, found = net(x), deployed(x)
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert b.abs().max() > 1e-3
        assert difference(a, b) <= tolerance


ALL_FORMS = {
    **FORMS,
    **{f"{k}, {'several' if n else 'one'}": v for (k, n), v in DYNAMIC_FORMS.items()},
}


@pytest.mark.parametrize("form", ALL_FORMS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_block_is_equal_in_every_form(name, form):
    net = trained(NETWORKS[name])
    deployed = switch_to_deploy(net, form=ALL_FORMS[form])
    for batch in (1, 2):
        assert_same(deployed, net, images(batch, 3, 64, 96, dtype=torch.float64))


@pytest.mark.parametrize("batch_size", [1, 8, None])
@pytest.mark.parametrize("target", FORMS)
@pytest.mark.parametrize("name", ["LITE", "DITE"])
def test_dynamic_convolution_has_forms_of_its_own(name, target, batch_size):
    form = find_form(target, trained(NETWORKS[name]), batch_size)
    plain = name == "DITE" and batch_size is not None
    plain = plain and (target == "onnxruntime" or batch_size > 1)
    assert form.plain == plain
    assert form == FORMS[target] or plain
    assert form.fixed == FORMS[target].fixed


@pytest.mark.parametrize("target", FORMS)
def test_a_network_for_several_images_takes_any_number(target):
    net = trained(NETWORKS["DITE"])
    deployed = net.switch_to_deploy(target, batch_size=3)
    assert deployed.form.plain
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


def test_the_trained_network_stays_as_it_is():
    net = trained(NETWORKS["LITE"]).train()
    before = copy.deepcopy(net.state_dict())
    deployed = net.switch_to_deploy()
    assert not deployed.training and net.training
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name
    shared = {id(p) for p in net.parameters()} & {id(p) for p in deployed.parameters()}
    assert not shared


def test_state_dict_and_pickle_round_trip(tmp_path):
    net = trained(NETWORKS["DITE"])
    deployed = switch_to_deploy(net)
    x = images(2, 3, 64, 64, dtype=torch.float64)
    other = switch_to_deploy(trained(NETWORKS["DITE"]).apply(_zero))
    other.load_state_dict(deployed.state_dict())
    assert_same(other, deployed, x, 0)
    assert_same(pickle.loads(pickle.dumps(deployed)), deployed, x, 0)
    torch.save(deployed, tmp_path / "deployed.pth")
    loaded = torch.load(tmp_path / "deployed.pth", weights_only=False)
    assert_same(loaded, deployed, x, 0)


def test_a_deployed_network_takes_a_memory_format():
    net = trained(NETWORKS["DITE"])
    deployed = switch_to_deploy(net).to(memory_format=torch.channels_last)
    assert_same(deployed, net, images(2, 3, 64, 64, dtype=torch.float64))


def _zero(module):
    for parameter in module.parameters(recurse=False):
        parameter.data.zero_()


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
    traced = torch.jit.trace(deployed, x)
    for batch in (1, 2, 3):
        assert_same(traced, net, images(batch, 3, 64, 64, dtype=torch.float64))


def shallow(name):
    """A network of one stage: capturing a graph takes long."""
    if name == "SMALL":
        return trained(NETWORKS[name])
    kind = {"LITE": LiteHRNet, "NAIVE": NaiveLiteHRNet, "DITE": DiteHRNet}[name]
    spec = {
        key: value if key == "reduce_ratios" else value[:1]
        for key, value in table(name)["stages_spec"].items()
    }
    return trained(kind, extra=dict(num_stages=1, stages_spec=spec))


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


CONFIGS = {
    "configs/pose/litehrnet_18_coco_256x192.py": (2, 3, 64, 64),
    "configs/seg/litehrnet_18_cityscapes_512x1024.py": (2, 3, 64, 128),
    "configs/seg/small_hrnet_w16_cityscapes_512x1024.py": (2, 3, 64, 128),
}


@pytest.mark.parametrize("config", CONFIGS)
def test_whole_models(config):
    torch.manual_seed(0)
    model = network_from_config(Config.fromfile(config)).double()
    x = images(*CONFIGS[config], dtype=torch.float64)
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(x + torch.randn_like(x), None, mode="tensor")
    model.eval()
    before = copy.deepcopy(model.state_dict())
    deployed = deploy_model(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    left = [m for m in deployed.modules() if "BatchNorm" in type(m).__name__]
    assert not left
    with torch.no_grad():
        expected = model(x, None, mode="tensor")
        assert difference(deployed(x, None, mode="tensor"), expected) < 1e-9
        same = deploy_model(model, inplace=True)
        assert same is model
        assert difference(model(x, None, mode="tensor"), expected) < 1e-9


def test_a_convolution_in_several_places_is_not_folded():
    torch.manual_seed(0)
    shared, alone = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
    norms = [nn.BatchNorm2d(4) for _ in range(3)]
    for norm in norms:
        nn.init.uniform_(norm.running_var, 0.5, 2)
    net = nn.Sequential(shared, norms[0], nn.Sequential(shared, norms[1]))
    net = nn.Sequential(net, alone, norms[2]).double().eval()
    x = images(1, 4, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        expected = net(x)
        assert difference(fold_norms(net)(x), expected) < 1e-12
    assert [type(m) for m in net] == [nn.Sequential, nn.Conv2d, nn.Identity]


def test_a_model_for_several_images():
    config = Config.fromfile("configs/pose/ditehrnet_18_coco_256x192.py")
    model = network_from_config(config)
    assert not deploy_model(model).backbone.form.plain
    assert deploy_model(model, batch_size=2).backbone.form.plain


def test_bad_input_is_named():
    net = trained(NETWORKS["LITE"])
    with pytest.raises(ValueError, match="target must be one of .*got 'tensorrt'"):
        switch_to_deploy(net, "tensorrt")
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        switch_to_deploy(net, batch_size=0)
    with pytest.raises(TypeError, match="must be a backbone of mmlitehrnet"):
        switch_to_deploy(nn.Conv2d(3, 3, 1))
    with pytest.raises(TypeError, match="backbone must be one of mmlitehrnet"):
        deploy_model(nn.Conv2d(3, 3, 1))
    with pytest.raises(ValueError, match="multiples of 32, got .70, 90."):
        switch_to_deploy(net, "onnxruntime")(images(1, 3, 70, 90, dtype=torch.float64))
    for batch_size in ("2", 1.5, True):
        with pytest.raises(TypeError, match="batch_size must be an int, got"):
            net.switch_to_deploy(batch_size=batch_size)
    with pytest.raises(TypeError, match="form must be a Form, got 'onnxruntime'"):
        switch_to_deploy(net, form="onnxruntime")
    with pytest.raises(TypeError, match="target must be a string, got .'openvino'."):
        switch_to_deploy(net, ["openvino"])
    deployed = switch_to_deploy(net)
    with pytest.raises(ValueError, match=r"shape \(N, 3, H, W\), got \(3, 64, 64\)"):
        deployed(images(3, 64, 64, dtype=torch.float64))
    with pytest.raises(TypeError, match="floating-point type, got torch.uint8"):
        deployed(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    grouped = LiteHRNet(
        extra=table("LITE"), norm_cfg=dict(type="GN", num_groups=1, requires_grad=True)
    )
    with pytest.raises(TypeError, match="only batch normalisation"):
        switch_to_deploy(grouped)
