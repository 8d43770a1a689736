"""Every layer can be built from what is special about it."""

import pytest
import torch

from mmlitehrnet.models.layers.channel_weighting import (
    ConditionalChannelWeighting,
    CrossResolutionWeighting,
    SpatialWeighting,
)
from mmlitehrnet.models.layers.context_modeling import (
    DenseContextModeling,
    GlobalContextModeling,
)
from mmlitehrnet.models.layers.dmc_block import ACMBlock, DMCBlock, DSCBlock
from mmlitehrnet.models.layers.dynamic_conv import (
    DynamicConv2d,
    DynamicConvNorm,
    DynamicSplitConv,
)
from mmlitehrnet.models.layers.fusion import Fusion
from mmlitehrnet.models.layers.iterative_head import IterativeHead
from mmlitehrnet.models.layers.norm import BatchNorm2d
from mmlitehrnet.models.layers.residual import BasicBlock, Bottleneck
from mmlitehrnet.models.layers.resolution_paths import (
    Transition,
    full_step,
    separable_step,
)
from mmlitehrnet.models.layers.shuffle import ShuffleUnit
from mmlitehrnet.models.layers.stem import DGCStem, LiteStem

BRANCHES = (16, 32)
ON_A_MAP = {
    "SpatialWeighting": lambda: SpatialWeighting(16),
    "GlobalContextModeling": lambda: GlobalContextModeling(16),
    "DynamicConv2d": lambda: DynamicConv2d(16, 16, 3, 2),
    "DynamicConvNorm": lambda: DynamicConvNorm(16, 16, 3, 2),
    "DynamicSplitConv": lambda: DynamicSplitConv(16, 2, 2),
    "BasicBlock": lambda: BasicBlock(16, 16),
    "Bottleneck": lambda: Bottleneck(16, 4),
    "ShuffleUnit": lambda: ShuffleUnit(16),
}
ON_BRANCHES = {
    "ConditionalChannelWeighting": lambda: ConditionalChannelWeighting(BRANCHES),
    "CrossResolutionWeighting": lambda: CrossResolutionWeighting(BRANCHES),
    "DenseContextModeling": lambda: DenseContextModeling(BRANCHES),
    "DMCBlock": lambda: DMCBlock(BRANCHES),
    "ACMBlock": lambda: ACMBlock(BRANCHES),
    "DSCBlock": lambda: DSCBlock(BRANCHES),
    "Fusion": lambda: Fusion.build(separable_step, BRANCHES, (0, 1)),
    "HRNet's Fusion": lambda: Fusion.build(full_step, BRANCHES, (0, 1)),
    "Transition": lambda: Transition.build(full_step, BRANCHES, BRANCHES),
}


def has_batch_norms(layer):
    return any(isinstance(module, BatchNorm2d) for module in layer.modules())


@pytest.mark.parametrize("name", ON_A_MAP)
def test_layers_on_a_map(name):
    layer = ON_A_MAP[name]()
    assert layer(torch.randn(2, 16, 8, 6)).shape == (2, 16, 8, 6)
    assert has_batch_norms(layer) == (name != "SpatialWeighting")


@pytest.mark.parametrize("name", ON_BRANCHES)
def test_layers_on_branches(name):
    layer = ON_BRANCHES[name]()
    xs = [torch.randn(2, 16, 8, 6), torch.randn(2, 32, 4, 3)]
    assert [y.shape for y in layer(xs)] == [x.shape for x in xs]
    assert has_batch_norms(layer) == (name != "Transition")


@pytest.mark.parametrize("cls", [LiteStem, DGCStem])
def test_stems(cls):
    stem = cls()
    assert stem(torch.randn(2, 3, 32, 24)).shape == (2, 32, 8, 6)
    assert has_batch_norms(stem)


def test_head():
    head = IterativeHead.build(BRANCHES)
    maps = head([torch.randn(2, 16, 8, 6), torch.randn(2, 32, 4, 3)])
    assert [y.shape[1] for y in maps] == [16, 16]
    assert has_batch_norms(head)
