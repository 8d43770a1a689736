"""Attentions of several maps in one go: the values of the modules one by one."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks.profiling import count_operators
from mmlitehrnet.models.layers.channel_weighting import (
    ConditionalChannelWeighting,
    SpatialWeighting,
    spatial_weightings,
)
from mmlitehrnet.models.layers.dmc_block import ACMBlock, DMCBlock, DSCBlock
from mmlitehrnet.models.layers.joint_attention import joint_attention
from mmlitehrnet.models.layers.norm import batches_counted_together
from tests.models.backbones.reference import difference, images

CHANNELS = (16, 32, 64, 96)
BLOCKS = {
    "spatial": lambda n: ConditionalChannelWeighting(CHANNELS[:n]),
    "global": lambda n: ACMBlock(CHANNELS[:n]),
    "dynamic": lambda n: DSCBlock(CHANNELS[:n]),
    "both": lambda n: DMCBlock(CHANNELS[:n]),
}
#: Layers of the blocks whose attentions are computed together.
JOINT = {"spatial": "spatial_weighting", "global": "gcm", "dynamic": "conv"}


def branches(n=4, number=3, dtype=torch.float64):
    return [
        images(number, c, 16 >> i, 24 >> i, dtype=dtype, seed=i).requires_grad_()
        for i, c in enumerate(CHANNELS[:n])
    ]


def make(kind, n=4, dtype=torch.float64):
    """A block with trained-looking weights, and a twin that calls every module."""
    torch.manual_seed(0)
    block = BLOCKS[kind](n).to(dtype).train()
    for parameter in block.parameters():
        nn.init.normal_(parameter, 0.1, 0.3)
    twin = copy.deepcopy(block)
    for module in twin.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda *_: None)
    return block, twin


def step(block, xs):
    """A pass forward and backward: outputs, gradients, state."""
    with batches_counted_together():
        ys = block(xs)
    sum((y * y).mean() for y in ys).backward()
    inputs = {f"map {i}": x.grad for i, x in enumerate(xs)}
    grads = {k: p.grad for k, p in block.named_parameters() if p.grad is not None}
    return dict(enumerate(ys)), {**inputs, **grads}, block.state_dict()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("kind", BLOCKS)
def test_equals_the_modules_one_by_one(kind, n, dtype):
    block, twin = make(kind, n, dtype)
    ours, theirs = (step(b, branches(n, dtype=dtype)) for b in (block, twin))
    tolerance = 1e-11 if dtype is torch.float64 else 1e-4
    for found, expected in zip(ours, theirs):
        assert found.keys() == expected.keys()
        largest = max(t.abs().max().item() for t in expected.values())
        for key, value in expected.items():
            assert found[key].dtype == value.dtype
            assert (found[key] - value).abs().max() <= tolerance * largest, key
    counters = [v for k, v in block.state_dict().items() if "num_batches" in k]
    assert all(c == 1 for c in counters)


@pytest.mark.parametrize("kind", BLOCKS)
def test_takes_fewer_operators(kind):
    together, one_by_one = (
        count_operators(lambda b=block: step(b, branches())) for block in make(kind)
    )
    assert together < one_by_one - 10


@pytest.mark.parametrize("kind", BLOCKS)
def test_mixed_precision(kind):
    block, twin = make(kind, dtype=torch.float32)
    results = []
    for b in (block, twin):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            results.append(step(b, branches(dtype=torch.float32)))
    for found, expected in zip(results[0][0].values(), results[1][0].values()):
        assert found.dtype == expected.dtype
        assert difference(found.double(), expected.double()) < 0.05
    for key, value in results[0][1].items():
        assert value.isfinite().all(), key
        assert value.dtype == torch.float32


@pytest.mark.parametrize("kind", ["spatial", "dynamic", "global"])
def test_gradients_are_those_of_differences(kind):
    block, _ = make(kind, n=2)
    layers = getattr(block, JOINT[kind])
    xs = [images(3, c // 2, 2, 3, dtype=torch.float64, seed=c) for c in CHANNELS[:2]]
    xs = [x.requires_grad_() for x in xs]
    parameters = dict(layers.named_parameters())

    def run(*tensors):
        named = dict(zip(parameters, tensors[2:]))
        return tuple(torch.func.functional_call(layers, named, (tensors[:2],)))

    inputs = (*xs, *parameters.values())
    ys = run(*inputs)
    with pytest.raises(RuntimeError, match="cannot be differentiated again"):
        torch.autograd.grad(ys[0].sum(), xs, create_graph=True)
    # Of running statistics, a normalisation in training does not depend.
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


def test_frozen_parameters_and_maps_without_gradients():
    block, twin = make("both")
    for b in (block, twin):
        for name, parameter in b.named_parameters():
            parameter.requires_grad_("channel_attention" not in name)
    results = [step(b, [x.detach() for x in branches()])[1] for b in (block, twin)]
    assert results[0].keys() == results[1].keys()
    for key, value in results[1].items():
        torch.testing.assert_close(results[0][key], value, msg=key)


def hook_a_part(part):
    part.conv1.register_forward_hook(lambda *_: None)


def hook_a_layer(part):
    part.conv2.activate.register_full_backward_hook(lambda *_: None)


def replace_a_layer(part):
    part.conv1.activate = nn.ReLU6()


def replace_a_part(part):
    part.conv1 = nn.Identity()


def parametrise(part):
    spectral_norm(part.conv1.conv)


def without_bias(part):
    part.conv2.conv.bias = None


@pytest.mark.parametrize(
    "change",
    [hook_a_part, hook_a_layer, replace_a_layer, replace_a_part, parametrise]
    + [without_bias, nn.Module.eval, nn.Module.bfloat16],
)
def test_modules_that_were_changed_are_called(change):
    parts, xs = spatial_weightings((8, 16)), [torch.rand(2, 8, 3, 3)] * 2
    assert joint_attention(xs[0], parts, SpatialWeighting) is not None
    change(parts[1])
    assert joint_attention(xs[0], parts, SpatialWeighting) is None


def test_modules_are_called_outside_of_training():
    parts, x = spatial_weightings((8, 16)), torch.rand(2, 8, 3, 3)
    with torch.no_grad():
        assert joint_attention(x, parts, SpatialWeighting) is None
    assert joint_attention(x[:1], parts, SpatialWeighting) is None
    proxy = torch.fx.symbolic_trace(nn.Identity()).graph
    assert joint_attention(proxy, parts, SpatialWeighting) is None


@pytest.mark.parametrize("change", [dict(momentum=0.2), dict(momentum=None)])
def test_normalisations_that_differ_are_called(change):
    block, twin = make("global")
    for b in (block, twin):
        for key, value in change.items():
            setattr(b.gcm[0].channel_attention[1], key, value)
    results = [step(b, branches())[2] for b in (block, twin)]
    for key, value in results[1].items():
        torch.testing.assert_close(results[0][key], value)
