"""What holds for each of the four networks."""

import copy

import pytest
import torch

from tests.models.backbones.reference import (
    difference,
    gradient_difference,
    gradients,
    images,
    sane_weights,
)
from tests.models.deployed.networks import FOUR
from tests.robustness.recipes import TINY
from tests.training import check_gradients

every_network = pytest.mark.parametrize("name", FOUR)


def build(name, **kwargs):
    return FOUR[name](**TINY[name], **kwargs)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (250, 190)])
@every_network
def test_any_input_size(name, size):
    net = build(name, out_indices=(0, 1, 2, 3)).train()
    for x in (images(2, 3, *size), images(1, 3, *size)):
        for y, width, stride in zip(net(x), net.out_channels, net.strides, strict=True):
            assert y.shape == (len(x), width, *(-(-side // stride) for side in size))
            assert y.isfinite().all()


@pytest.mark.parametrize("with_head", [True, False])
@pytest.mark.parametrize("out_indices", [(0,), (1,), (3,), (0, 2), (0, 1, 2, 3)])
@every_network
def test_every_parameter_gets_a_gradient(name, with_head, out_indices):
    net = build(name, with_head=with_head, out_indices=out_indices)
    gradients(net, images(2, 3, 64, 64))
    check_gradients(net)


@every_network
def test_checkpointing_changes_neither_gradients_nor_statistics(name):
    plain = sane_weights(build(name).double())
    lean = build(name, with_cp=True).double()
    lean.load_state_dict(plain.state_dict())
    x = images(2, 3, 64, 64, dtype=torch.float64)
    expected, ours = (
        {key: g for key, g in gradients(net, x).items() if g is not None}
        for net in (plain, lean)
    )
    assert gradient_difference(ours, expected) <= 1e-12
    state = plain.state_dict()
    for key, value in lean.state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=1e-12, atol=1e-12)


@every_network
def test_samples_of_a_batch_do_not_mix(name):
    net = sane_weights(build(name).double()).eval()
    x = images(3, 3, 64, 96, dtype=torch.float64)
    before = x.clone()
    (together,) = net(x)
    alone = torch.cat([net(x[k : k + 1])[0] for k in range(3)])
    # The untrained network amplifies rounding; a sample of another would be seen.
    assert difference(together, alone) <= 1e-9
    assert torch.equal(x, before)


@every_network
def test_norm_eval_keeps_the_running_statistics(name):
    net = build(name, norm_eval=True).train()
    before = copy.deepcopy(net.state_dict())
    net(images(2, 3, 64, 64))
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
