"""Dynamic convolution against its definition, sample by sample."""

import pytest
import torch
import torch.nn.functional as F

from mmlitehrnet.models.layers.dynamic_conv import DynamicConv2d
from mmlitehrnet.models.layers.norm import BatchNorm2d

NORM = dict(type=BatchNorm2d)


def by_definition(conv, x):
    """Each sample by itself, its kernel the weighted sum of the kernels (Eq. 3)."""
    weights = conv.attention(x)
    samples = []
    for k in range(len(x)):
        kernel = sum(a * w for a, w in zip(weights[k], conv.aggregation.weight))
        samples.append(
            F.conv2d(x[k : k + 1], kernel, None, conv.stride, conv.padding, 1,
                     conv.groups)
        )  # fmt: skip
    return torch.cat(samples)


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize(
    "kwargs",
    [
        dict(in_channels=8, out_channels=8, kernel_size=3, groups=8, stride=2),
        dict(in_channels=8, out_channels=12, kernel_size=1),
        dict(in_channels=8, out_channels=4, kernel_size=5, groups=2),
    ],
)
def test_equals_the_definition(kwargs, batch):
    torch.manual_seed(0)
    conv = DynamicConv2d(**kwargs, num_kernels=4, norm_cfg=NORM).double().eval()
    x = torch.randn(batch, 8, 9, 7, dtype=torch.float64)
    torch.testing.assert_close(conv(x), by_definition(conv, x), rtol=1e-12, atol=1e-12)


def test_gradients_reach_every_kernel():
    conv = DynamicConv2d(8, 8, 3, num_kernels=4, groups=8, norm_cfg=NORM).double()
    x = torch.randn(2, 8, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(conv.eval(), (x,), atol=1e-6)
    conv.train()(x).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in conv.aggregation.parameters())


def test_mixed_precision_rounds_and_no_more():
    torch.manual_seed(0)
    conv = DynamicConv2d(8, 8, 3, num_kernels=4, groups=8, norm_cfg=NORM).eval()
    x = torch.randn(3, 8, 16, 16)
    exact = conv(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = conv(x)
    assert rounded.dtype == torch.bfloat16
    # 8 bits of significand, sums of 9 products.
    assert (rounded.float() - exact).abs().max() < 0.02 * exact.abs().max()


def test_layout_channels_last_is_taken_and_changes_nothing():
    conv = DynamicConv2d(8, 8, 3, num_kernels=4, groups=2, norm_cfg=NORM).double()
    x = torch.randn(2, 8, 6, 6, dtype=torch.float64)
    expected = conv(x)
    before = conv.aggregation.weight
    conv.to(memory_format=torch.channels_last)
    assert conv.aggregation.weight is before and before.shape == (4, 8, 4, 3, 3)
    y = conv(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(y, expected)
    y.sum().backward()
    assert conv.half().aggregation.weight.grad.dtype == torch.float16
