"""The spatial weight of a map is right before the map is computed."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmlitehrnet.models.deployed.early_weight import EarlyWeight
from tests.models.backbones.reference import difference, images


class Averages(nn.Module):
    """In the place of what maps averages to weights."""

    def forward(self, averages):
        return [averages]


def early_weight():
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 4, 3, padding=1, groups=4).double().requires_grad_(False)
    bias = conv.bias
    early = EarlyWeight(conv, Averages())
    assert conv.bias is None
    return early, conv, bias.view(1, -1, 1, 1)


# Cells of 4x2; odd sizes; a row of cells, which is the first and the last.
@pytest.mark.parametrize(
    "size, cells", [((16, 6), (4, 3)), ((7, 9), (4, 5)), ((8, 8), (1, 2))]
)
def test_the_average_is_that_of_the_convolution(size, cells):
    early, conv, bias = early_weight()
    x = images(2, 4, *size, dtype=torch.float64)
    weight = images(2, 4, *cells, dtype=torch.float64, seed=2)
    y = conv(x * F.interpolate(weight, size)) + bias
    found = early(x, weight)
    assert difference(found, y.mean((2, 3), keepdim=True)) < 1e-12
    assert torch.equal(early.of_bias(found), bias * found)
