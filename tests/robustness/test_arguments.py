"""Good arguments with one value replaced: a network that runs, or our error."""

import copy
import inspect
import json
import re

import pytest
import torch

from mmlitehrnet import DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet
from tests.robustness.recipes import TINY

DROP = object()  # in the place of a value
JUNK = (None, 0, -1, 7, 1.5, "three", [], {}, True, float("nan"), DROP)
COMMON = dict(
    in_channels=3,
    out_indices=(0, 1),
    norm_eval=False,
    with_cp=False,
    frozen_stages=0,
    norm_cfg=dict(type="BN"),
)


def stages(kind, **stem):
    """`extra` with all that it may have."""
    return dict(
        stem=dict(stem_channels=32, out_channels=32, **stem),
        num_stages=2,
        stages_spec=dict(
            num_modules=(1, 1),
            num_branches=(2, 3),
            num_blocks=(1, 1),
            module_type=(kind, kind),
            with_fuse=(True, True),
            reduce_ratios=(8, 8),
            num_channels=((16, 16), (16, 16, 16)),
        ),
        with_head=True,
    )


DITE = dict(num_groups=(1, 1, 2), num_kernels=(4, 4, 2), context_pooling="window")
NETWORKS = {
    LiteHRNet: dict(COMMON, extra=stages("LITE", expand_ratio=1)),
    NaiveLiteHRNet: dict(COMMON, extra=stages("NAIVE", expand_ratio=1)),
    DiteHRNet: dict(COMMON, extra=stages("DITE"), **DITE),
    SmallHRNet: dict(COMMON, upsample="nearest", with_head=True, **TINY["SmallHRNet"]),
}
#: What a message can name: arguments, keys of their dicts, and the input.
NAMES = {
    *(name for cls in NETWORKS for name in inspect.signature(cls).parameters),
    *("stem", "stages_spec", "num_stages", "num_channels", "num_modules", "stage"),
    *("num_blocks", "num_branches", "the input"),
} - {"kwargs"}


def places(value, place=()):
    """Every place in nested dicts and lists, as a path of keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*place, key)
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*place, key))


def spoilt(kwargs, place, junk):
    """The arguments with another value in one place, or without the place."""
    values = copy.deepcopy(kwargs)
    *path, last = place
    inner = values
    for key in path:
        inner = inner[key]
    inner[last] = junk
    if junk is DROP:
        del inner[last]
    return values


def run(cls, kwargs, x):
    """Build a network and compute maps, in training."""
    net = cls(**kwargs)
    with torch.no_grad():
        maps = net.train()(x)
    for y, channels, stride in zip(maps, net.out_channels, net.strides, strict=True):
        size = tuple(-(-side // stride) for side in x.shape[2:])
        assert y.shape == (len(x), channels, *size) and y.isfinite().all()


@pytest.mark.parametrize("cls", NETWORKS, ids=lambda cls: cls.__name__)
def test_another_value_gives_a_network_or_our_error(cls):
    kwargs = json.loads(json.dumps(NETWORKS[cls]))  # lists for tuples
    run(cls, kwargs, torch.randn(1, 3, 33, 2))
    for place in places(kwargs):
        for junk in JUNK:
            try:
                run(cls, spoilt(kwargs, place, junk), torch.randn(1, 3, 33, 2))
            except ValueError as error:
                message = str(error)
                assert any(name in message for name in NAMES), (place, junk, message)
                assert re.search("must .*, got |Use ", message), (place, junk, message)


@pytest.mark.parametrize(
    "counts, widths, message",
    [
        ((2, 3, 4, 5), (16,) * 5, "num_channels must have at most 4 widths"),
        ((2, 3), (8, 8, 8), r"at least \(8, 8, 16\) .*got \(8, 8, 8\)"),
    ],
)
def test_branches_that_the_context_of_dite_hrnet_has_not(counts, widths, message):
    channels = [widths[:count] for count in counts]
    spec = dict(num_modules=(1,) * len(counts), num_channels=channels)
    settings = {k: (1,) * max(counts) for k in ("num_groups", "num_kernels")}
    with pytest.raises(ValueError, match=message):
        DiteHRNet(extra=dict(stages_spec=spec), **settings)
