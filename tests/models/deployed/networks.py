"""Small networks of all kinds with trained-looking weights."""

import copy
from functools import cache, partial

import torch

from mmlitehrnet import DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet
from mmlitehrnet.models.layers.fusion import HRNET
from tests.models.backbones.reference import difference, sane_weights


class HRNetSums(LiteHRNet):
    """With the fusion that the paper shows."""

    first_branch = HRNET


def table(
    module_type="LITE",
    num_blocks=2,
    modules=(1, 1, 1),
    widths=(16, 32, 64, 96),
    with_fuse=(True,) * 3,
):
    """A network of three stages, as MMPose's configs have it; small by default."""
    stem = dict(stem_channels=32, out_channels=32)
    return dict(
        stem=stem if module_type == "DITE" else dict(stem, expand_ratio=1),
        num_stages=3,
        stages_spec=dict(
            num_modules=modules,
            num_branches=(2, 3, 4),
            num_blocks=(num_blocks,) * 3,
            module_type=(module_type,) * 3,
            with_fuse=with_fuse,
            reduce_ratios=(8,) * 3,
            num_channels=(widths[:2], widths[:3], widths),
        ),
    )


#: One of each class, which is quick.
KINDS = ("LITE", "NAIVE", "DITE", "SMALL")
LITE, DITE = table("LITE"), table("DITE")
INTEL = dict(LITE, stem=dict(strides=(2, 1), extra_stride=True))
NETWORKS = {
    **{k: partial(LiteHRNet, extra=table(k)) for k in LiteHRNet.block_types},
    **{k: partial(NaiveLiteHRNet, extra=table(k)) for k in NaiveLiteHRNet.block_types},
    "three blocks": partial(LiteHRNet, extra=table("LITE", 3)),
    "Intel's stem": partial(LiteHRNet, extra=INTEL),
    "HRNet's sums, and a stage without": partial(
        HRNetSums, extra=table(with_fuse=(True, False, True))
    ),
    "DITE": partial(DiteHRNet, extra=DITE),
    "DITE official": partial(DiteHRNet, extra=DITE, context_pooling="official"),
    "SMALL": partial(SmallHRNet, upsample="nearest"),
    "SMALL bilinear": partial(SmallHRNet, upsample="bilinear"),
}
FOUR = {c.__name__: c for c in (LiteHRNet, NaiveLiteHRNet, DiteHRNet, SmallHRNet)}


def settled(make, **kwargs):
    """A network with trained-looking weights in double precision."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = sane_weights(make(**kwargs)).double().eval()
    for name, parameter in net.named_parameters():
        if "conv_mask" in name:  # Sharp masks make the network chaotic.
            parameter.data *= 0.1
    return net


settled_once = cache(settled)


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
