"""Normalisation folded into convolutions."""

import torch
from torch import nn

from mmlitehrnet.models.deployed.fold import fold_norms
from tests.models.backbones.reference import difference, images


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
