"""Small networks of all kinds with trained-looking weights."""

import copy
import functools

import torch

from mmlitehrnet import DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet
from tests.models.backbones.reference import difference, sane_weights


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
    "Intel's stem": lambda **kwargs: LiteHRNet(
        extra=table("LITE") | dict(stem=dict(strides=(2, 1), extra_stride=True)),
        **kwargs,
    ),
    "DITE": dite("window"),
    "DITE official": dite("official"),
    "SMALL": small("nearest"),
    "SMALL bilinear": small("bilinear"),
}
#: One of each class.
FOUR = {
    "LiteHRNet": LiteHRNet,
    "NaiveLiteHRNet": NaiveLiteHRNet,
    "DiteHRNet": DiteHRNet,
    "SmallHRNet": SmallHRNet,
}


def settled(make, **kwargs):
    """A network with trained-looking weights in double precision."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = sane_weights(make(**kwargs)).double().eval()
    for name, parameter in net.named_parameters():
        if "conv_mask" in name:  # Sharp masks make the network chaotic.
            parameter.data *= 0.1
    return net


settled_once = functools.cache(settled)


def trained(make, **kwargs):
    """A copy of a settled network: hundreds of tests ask for the same few."""
    return copy.deepcopy(settled_once(make, **kwargs))


def shallow_table(module_type):
    """A network of one stage: capturing a graph takes long."""
    spec = {
        key: value if key == "reduce_ratios" else value[:1]
        for key, value in table(module_type)["stages_spec"].items()
    }
    return dict(num_stages=1, stages_spec=spec)


def shallow(name):
    """A network of one stage with trained-looking weights."""
    if name == "SMALL":
        return trained(NETWORKS[name])
    kind = {"LITE": LiteHRNet, "NAIVE": NaiveLiteHRNet, "DITE": DiteHRNet}[name]
    return settled(kind, extra=shallow_table(name))


def assert_same(deployed, net, x, tolerance=1e-8):
    """Both give the same maps, which are not zero."""
    with torch.no_grad():
        expected, found = net(x), deployed(x)
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert b.abs().max() > 1e-3
        assert difference(a, b) <= tolerance
