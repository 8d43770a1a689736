"""Normalisation folded into the convolutions of heads."""

import torch
from torch import nn

from mmlitehrnet.models.deployed.fold import fold_norms
from tests.models.backbones.reference import difference, images


def test_a_shared_convolution_is_folded_in_each_of_its_places():
    torch.manual_seed(0)
    shared = nn.Conv2d(4, 4, 1)
    norms = [nn.BatchNorm2d(4) for _ in range(2)]
    for norm in norms:
        nn.init.uniform_(norm.running_var, 0.5, 2)
    before = shared.weight.clone()
    net = nn.Sequential(shared, norms[0], nn.Sequential(shared, norms[1]))
    net = net.double().eval()
    x = images(1, 4, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        expected = net(x)
        assert difference(fold_norms(net)(x), expected) < 1e-12
    assert [type(m) for m in net] == [nn.Conv2d, nn.Identity, nn.Sequential]
    assert torch.equal(shared.weight.float(), before)


def test_what_does_not_follow_a_convolution_stays():
    layers = [nn.Conv2d(4, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)]
    deconv = [nn.ConvTranspose2d(4, 4, 2, 2), nn.BatchNorm2d(4)]
    net = fold_norms(nn.Sequential(*layers, *deconv).eval())
    assert [*net] == [*layers, *deconv]
