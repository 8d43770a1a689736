"""Trained networks are switched to deploy as OpenMMLab's are, or copied."""

import copy
import pickle
from pathlib import Path

import mmpretrain
import pytest
import torch
from mmengine import Config
from torch import nn

from mmlitehrnet import LiteHRNet
from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.deploy import deploy_model, switch_to_deploy
from tests.models.backbones.reference import difference, images
from tests.models.deployed.networks import KINDS, NETWORKS, assert_same, table, trained
from tests.running import ROOT, run_python

CLASSIFIER = ROOT / "configs/cls/small_hrnet_w16_in1k.py"
CONVERTER = ".mim/tools/model_converters/reparameterize_model.py"


def train(model, x):
    """Give a model statistics that are not fresh."""
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(x + torch.randn_like(x), None, mode="tensor")
    return model.eval()


@pytest.mark.parametrize("name", KINDS)
def test_a_backbone_is_switched_in_place(name):
    net = trained(NETWORKS[name], out_indices=(0, 1), frozen_stages=1, norm_eval=True)
    before = copy.deepcopy(net)
    assert not net.deploy
    net.switch_to_deploy()
    assert net.deploy
    x = images(2, 3, 64, 64, dtype=torch.float64)
    assert_same(net, before, x)
    assert (net.out_channels, net.strides) == (before.out_channels, before.strides)
    assert net.out_indices == before.out_indices
    assert not any("BatchNorm" in type(module).__name__ for module in net.modules())
    # For inference only, whatever is asked for.
    assert net.train() is net
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert_same(net, before, x)


def test_switching_again_changes_nothing():
    net = trained(NETWORKS["DITE"])
    net.switch_to_deploy(batch_size=2)
    before = [id(module) for module in net.modules()]
    net.switch_to_deploy()
    net.switch_to_deploy(dict(flip_test=True))
    assert [id(module) for module in net.modules()] == before
    with pytest.raises(ValueError, match="must be 'pytorch', to which .*'openvino'"):
        net.switch_to_deploy(target="openvino")


@pytest.mark.parametrize("name", KINDS)
def test_saved_weights_load_into_a_network_built_so(name, tmp_path):
    net = trained(NETWORKS[name])
    net.switch_to_deploy()
    torch.save(net.state_dict(), tmp_path / "deployed.pth")
    init_cfg = dict(type="Pretrained", checkpoint=str(tmp_path / "deployed.pth"))
    other = NETWORKS[name](deploy=True, init_cfg=init_cfg).double()
    assert other.deploy and not other.training
    x = images(2, 3, 64, 64, dtype=torch.float64)
    other.load_state_dict(torch.load(tmp_path / "deployed.pth"), strict=True)
    assert_same(other, net, x, 0)
    # Initialisation reads the file too, and touches nothing where there is none.
    other.apply(zero)
    other.init_weights()
    assert_same(other, net, x, 0)
    net.init_weights()
    assert_same(other, net, x, 0)
    assert_same(pickle.loads(pickle.dumps(net)), net, x, 0)


def zero(module):
    for parameter in module.parameters(recurse=False):
        parameter.data.zero_()


def test_the_trained_network_stays_as_it_is():
    net = trained(NETWORKS["LITE"]).train()
    before = copy.deepcopy(net.state_dict())
    deployed = switch_to_deploy(net)
    assert deployed.deploy and not deployed.training
    assert net.training and not net.deploy
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name
    shared = {id(p) for p in net.parameters()} & {id(p) for p in deployed.parameters()}
    assert not shared


@pytest.mark.slow
def test_mmpretrain_converts_a_checkpoint(tmp_path):
    """MMPretrain's ``reparameterize_model.py``, and what it writes."""
    config = Config.fromfile(CLASSIFIER)
    torch.manual_seed(0)
    x = images(2, 3, 64, 64)
    model = train(network_from_config(config), x)
    before, after = tmp_path / "trained.pth", tmp_path / "deployed.pth"
    torch.save(dict(state_dict=model.state_dict(), meta={}), before)
    tool = Path(mmpretrain.__file__).parent / CONVERTER
    run_python(tool, CLASSIFIER, before, after)
    weights = torch.load(after)["state_dict"]
    assert weights.keys() != model.state_dict().keys()
    config.model.backbone.deploy = True
    deployed = network_from_config(config).eval()
    deployed.load_state_dict(weights, strict=True)
    with torch.no_grad():
        found, expected = (m(x, None, mode="tensor")[0] for m in (deployed, model))
    assert difference(found, expected) < 1e-4


CONFIGS = {
    "configs/pose/litehrnet_18_coco_256x192.py": (2, 3, 64, 64),
    "configs/seg/litehrnet_18_cityscapes_512x1024.py": (2, 3, 64, 128),
    "configs/seg/small_hrnet_w16_cityscapes_512x1024.py": (2, 3, 64, 128),
}


@pytest.mark.parametrize("config", CONFIGS)
def test_whole_models(config):
    torch.manual_seed(0)
    model = network_from_config(Config.fromfile(ROOT / config)).double()
    x = images(*CONFIGS[config], dtype=torch.float64)
    train(model, x)
    before = copy.deepcopy(model.state_dict())
    deployed = deploy_model(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    left = [m for m in deployed.modules() if "BatchNorm" in type(m).__name__]
    assert not left
    with torch.no_grad():
        expected = model(x, None, mode="tensor")
        assert difference(deployed(x, None, mode="tensor"), expected) < 1e-9
        if hasattr(model, "switch_to_deploy"):  # MMPose's, which mmdeploy calls
            model.switch_to_deploy()
            assert model.backbone.deploy
        else:
            assert deploy_model(model, inplace=True) is model
        assert difference(model(x, None, mode="tensor"), expected) < 1e-9


@pytest.mark.parametrize(
    "error, match, call",
    [
        (ValueError, "target must be one of", lambda n: switch_to_deploy(n, "a")),
        (
            TypeError,
            "target must be a string",
            lambda n: switch_to_deploy(n, ["a"]),
        ),
        (
            ValueError,
            "batch_size must",
            lambda n: switch_to_deploy(n, batch_size=0),
        ),
        (
            ValueError,
            "batch_size must",
            lambda n: n.switch_to_deploy(batch_size="2"),
        ),
        (TypeError, "must be a backbone", lambda _: switch_to_deploy(nn.Identity())),
        (TypeError, "a backbone .* or have", lambda _: deploy_model(nn.Identity())),
        (ValueError, "test_cfg must be", lambda n: n.switch_to_deploy("openvino")),
        (ValueError, "deploy must be True", lambda _: LiteHRNet(deploy="pytorch")),
    ],
)
def test_bad_arguments_are_named(error, match, call):
    with pytest.raises(error, match=match):
        call(trained(NETWORKS["LITE"]))


def test_only_batch_normalisation_is_deployed():
    norm_cfg = dict(type="GN", num_groups=1, requires_grad=True)
    grouped = LiteHRNet(extra=table("LITE"), norm_cfg=norm_cfg)
    with pytest.raises(TypeError, match="only batch normalisation"):
        grouped.switch_to_deploy()
    assert not grouped.deploy
    grouped.train()(images(2, 3, 64, 64))  # It is as it was.
