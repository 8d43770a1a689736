"""Depthwise convolution: values and gradients of PyTorch's."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn import fuse_conv_bn
from torch import nn

from mmlitehrnet import LiteHRNet
from mmlitehrnet.models.layers.depthwise import (
    DepthwiseConv2d,
    depthwise_cfg,
    depthwise_conv2d,
)
from tests.models.backbones.reference import difference, images, sane_weights
from tests.models.deployed.networks import NETWORKS


@pytest.mark.parametrize("size", [(8, 6), (9, 7), (10, 9), (3, 1)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (2, 1), (3, 3)])
@pytest.mark.parametrize("kernel, padding", [(3, 1), (5, 2), (3, 0), (9, 4)])
def test_equals_pytorch(size, stride, kernel, padding):
    if min(size) + 2 * padding < kernel:
        size = (kernel, kernel)
    padding = (padding, padding)
    leaves = {}
    for name in ("ours", "theirs"):
        torch.manual_seed(0)
        x = torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True)
        w = torch.randn(4, 1, kernel, kernel, dtype=torch.float64, requires_grad=True)
        if name == "ours":
            y = depthwise_conv2d(x, w, stride, padding)
            assert "DepthwiseConv" in type(y.grad_fn).__name__
        else:
            y = F.conv2d(x, w, None, stride, padding, 1, 4)
        (y * torch.arange(y.numel(), dtype=y.dtype).view_as(y)).sum().backward()
        leaves[name] = (y, x.grad, w.grad)
    for ours, theirs in zip(leaves["ours"], leaves["theirs"]):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_gradients_can_be_differentiated(stride):
    """As penalties on gradients need it."""

    def conv(x, w):
        return depthwise_conv2d(x, w, stride, (1, 1))

    torch.manual_seed(0)
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert "DepthwiseConv" in type(conv(x, w).grad_fn).__name__
    assert torch.autograd.gradgradcheck(conv, (x, w))


def test_only_gradients_that_are_needed():
    w = torch.randn(4, 1, 3, 3, requires_grad=True)
    depthwise_conv2d(torch.randn(1, 4, 5, 5), w, (1, 1), (1, 1)).sum().backward()
    assert w.grad is not None
    x = torch.randn(1, 4, 5, 5, requires_grad=True)
    depthwise_conv2d(x, w.detach(), (1, 1), (1, 1)).sum().backward()
    assert x.grad is not None


def test_pytorch_does_it_where_nothing_is_to_be_gained():
    conv = DepthwiseConv2d(4, 4, 3, padding=1, groups=4, bias=False)
    x = torch.randn(1, 4, 5, 5)
    with torch.no_grad():
        assert conv(x).grad_fn is None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv(x).dtype == torch.bfloat16
    traced = torch.jit.trace(conv, x)
    torch.testing.assert_close(traced(x), conv(x))


@pytest.mark.parametrize(
    "options", [dict(bias=True), dict(dilation=2), dict(padding_mode="reflect")]
)
def test_every_option_of_a_convolution(options):
    ours = DepthwiseConv2d(4, 4, 3, padding=1, groups=4, **{"bias": False, **options})
    theirs = nn.Conv2d(4, 4, 3, padding=1, groups=4, **{"bias": False, **options})
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 4, 9, 7)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("kind", ["LITE", "DITE", "SMALL"])
def test_normalisation_can_be_fused(kind):
    """``--fuse-conv-bn`` gives depthwise convolutions a bias."""
    net = sane_weights(NETWORKS[kind]().double()).eval()
    x = images(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        (expected,) = net(x)
        (fused,) = fuse_conv_bn(copy.deepcopy(net))(x)
    assert difference(fused, expected) < 1e-9


def test_options_of_the_config_reach_depthwise_convolutions():
    cfg = dict(type="Conv2d", padding_mode="reflect")
    net = LiteHRNet(conv_cfg=cfg)
    modes = {m.padding_mode for m in net.modules() if isinstance(m, DepthwiseConv2d)}
    assert modes == {"reflect"}


def test_other_convolutions_are_left_as_they_are():
    assert depthwise_cfg(None) == dict(type=DepthwiseConv2d)
    assert depthwise_cfg(dict(type="Conv2d")) == dict(type=DepthwiseConv2d)
    assert depthwise_cfg(dict(type="Conv2dAdaptivePadding"))["type"] == (
        "Conv2dAdaptivePadding"
    )
