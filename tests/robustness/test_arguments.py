"""Any arguments and any input: a network that runs, or an error of ours.

Arguments are good ones, in which one value may be replaced by something else.
"""

import copy
import inspect
import re

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mmlitehrnet import DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet

FEW = settings(
    max_examples=12,
    phases=[Phase.generate],  # minimising a failure takes minutes
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
JUNK = st.sampled_from(
    [None, 0, -1, 1, 3, 7, 99, 1.5, "three", (), [], [1], {}, True, float("nan")]
)


# ------------------------------------------------------------------ good arguments
@st.composite
def lite_extras(draw, module_types, widths, most_stages, stems=(4, 8, 32), expand=True):
    """`extra` of the Lite-HRNets and Dite-HRNet: some stages."""
    stages = draw(st.integers(1, most_stages))

    def column(values):
        return draw(st.lists(values, min_size=stages, max_size=stages))

    width = st.sampled_from(widths)
    branches = range(2, 2 + stages)
    spec = dict(
        num_modules=column(st.integers(1, 2)),
        num_channels=[draw(st.lists(width, min_size=n, max_size=n)) for n in branches],
        num_branches=list(branches),
        num_blocks=column(st.integers(1, 2)),
        module_type=column(st.sampled_from(module_types)),
        with_fuse=[*column(st.booleans())[:-1], True],
        reduce_ratios=column(st.sampled_from([1, 2.5, 8])),
    )
    stem = draw(st.sampled_from(stems))
    stem = dict(stem_channels=stem, out_channels=stem)
    if expand:
        stem["expand_ratio"] = draw(st.sampled_from([0.5, 1, 2]))
    return dict(
        stages_spec=spec, stem=stem, num_stages=stages, with_head=draw(st.booleans())
    )


@st.composite
def hrnet_extras(draw):
    """`extra` of HRNet: four stages."""
    stages = {}
    for branches in (1, 2, 3, 4):
        counts = st.lists(st.integers(1, 2), min_size=branches, max_size=branches)
        width = st.sampled_from([2, 3, 4, 8])
        stages[f"stage{branches}"] = dict(
            num_modules=draw(st.integers(1, 2)),
            num_branches=branches,
            block=draw(st.sampled_from(["BASIC", "BOTTLENECK"])),
            num_blocks=tuple(draw(counts)),
            num_channels=[draw(width) for _ in range(branches)],
        )
    stages["stage4"]["multiscale_output"] = draw(st.booleans())
    return stages


COMMON = dict(
    in_channels=st.sampled_from([1, 3, 4]),
    out_indices=st.one_of(
        st.integers(0, 1),
        st.sets(st.integers(0, 1), min_size=1).map(sorted).map(tuple),
    ),
    norm_eval=st.booleans(),
    with_cp=st.booleans(),
    frozen_stages=st.integers(-1, 1),
    norm_cfg=st.sampled_from(
        [dict(type="BN"), dict(type="SyncBN"), dict(type="BN", momentum=0.01)]
    ),
)


def arguments(extra, **more):
    return st.fixed_dictionaries({"extra": extra, **COMMON, **more})


def as_many_as_branches(given):
    """Dite-HRNet's arguments with a number for each branch of the table."""
    branches = max(map(len, given["extra"]["stages_spec"]["num_channels"]))
    counts = {k: given[k][:branches] for k in ("num_groups", "num_kernels")}
    return {**given, **counts}


NETWORKS = {
    LiteHRNet: arguments(lite_extras(("LITE", "NAIVE"), (8, 12, 16, 20), 3)),
    NaiveLiteHRNet: arguments(lite_extras(("NAIVE",), (4, 6, 8, 14), 3)),
    DiteHRNet: arguments(
        lite_extras(("DITE",), (16, 24), 3, (8, 32), expand=False),
        num_groups=st.sampled_from([(1, 1, 2, 4), (1, 1, 1, 1), (4, 2, 1, 1)]),
        num_kernels=st.sampled_from([(4, 4, 2, 1), (1, 2, 4, 4)]),
        context_pooling=st.sampled_from(["window", "official"]),
    ).map(as_many_as_branches),
    SmallHRNet: arguments(
        hrnet_extras(),
        with_head=st.booleans(),
        upsample=st.sampled_from(["nearest", "bilinear"]),
    ),
}


# ------------------------------------------------------------------------- faults
def places(value, place=()):
    """Every place in nested dicts and lists, as a path of keys."""
    items = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*place, key)
        yield from places(inner, (*place, key))


@st.composite
def spoilt(draw, kwargs):
    """Arguments with another value in one place, or without the place."""
    values = copy.deepcopy(draw(kwargs))
    *path, last = draw(st.sampled_from(list(places(values))))
    inner = values
    for key in path:
        inner = inner[key]
    if draw(st.integers(0, 3)):
        inner[last] = draw(JUNK)
    else:
        del inner[last]
    return values


@st.composite
def inputs(draw):
    """A shape of images, and now and then something else."""
    sides = st.integers(1, 48)
    shape = (draw(st.integers(1, 2)), None, draw(sides), draw(sides))
    kinds = ["image"] * 6 + ["int", "flat", "list", "channels", "no pixels"]
    return draw(st.sampled_from(kinds)), shape


def make_input(kind, shape, channels):
    count, _, height, width = shape
    if kind == "list":
        return [1, 2, 3]
    if kind == "flat":
        return torch.randn(channels, height, width)
    channels += kind == "channels"
    height *= kind != "no pixels"
    x = torch.randn(count, channels, height, width)
    return x.int() if kind == "int" else x


#: What a message can name: arguments, keys of their dicts, and the input.
NAMES = {
    *(name for cls in NETWORKS for name in inspect.signature(cls).parameters),
    *inspect.signature(LiteHRNet).parameters,
    *("stem", "stages_spec", "num_stages", "num_channels", "num_modules", "stage"),
    *("num_blocks", "num_branches", "the input"),
} - {"kwargs"}


def runs_or_says(action):
    """Do something; an error must name an argument, what is right and its value."""
    try:
        return action()
    except ValueError as error:
        message = str(error)
        assert any(name in message for name in NAMES), message
        assert re.search("must .*, got |Use ", message), message
        return None


def check(cls, kwargs, given_input, training):
    net = runs_or_says(lambda: cls(**kwargs))
    if net is None:
        return
    net.train(training)
    kind, shape = given_input
    x = make_input(kind, shape, net.in_channels)
    maps = runs_or_says(lambda: net(x))
    if maps is None:
        return
    assert kind == "image"
    assert len(maps) == len(net.out_channels) == len(net.strides)
    for y, channels, stride in zip(maps, net.out_channels, net.strides):
        size = tuple(-(-side // stride) for side in x.shape[2:])
        assert y.shape == (len(x), channels, *size)
        assert y.isfinite().all()
    if training and any(y.requires_grad for y in maps):
        sum(y.square().mean() for y in maps).backward()
        for parameter in net.parameters():
            assert parameter.grad is None or parameter.grad.isfinite().all()


def pytest_generate_tests(metafunc):
    if "cls" in metafunc.fixturenames:
        metafunc.parametrize("cls", NETWORKS, ids=lambda cls: cls.__name__)


@FEW
@given(st.data())
def test_good_arguments_give_a_network_that_runs(cls, data):
    kwargs = data.draw(NETWORKS[cls])
    cls(**kwargs)
    check(cls, kwargs, data.draw(inputs()), data.draw(st.booleans()))


@FEW
@given(st.data())
def test_another_value_gives_a_network_or_our_error(cls, data):
    kwargs = data.draw(spoilt(NETWORKS[cls]))
    check(cls, kwargs, data.draw(inputs()), data.draw(st.booleans()))


def test_more_branches_than_the_context_has_settings_for():
    spec = dict(
        num_modules=(1,) * 4, num_channels=[(16,) * count for count in (2, 3, 4, 5)]
    )
    table = dict(stages_spec=spec)
    with pytest.raises(ValueError, match="num_channels must have at most 4 widths"):
        DiteHRNet(extra=table, num_groups=(1,) * 5, num_kernels=(1,) * 5)


def test_branches_too_narrow_for_the_context():
    spec = dict(num_modules=(1, 1), num_channels=[(8, 8), (8, 8, 8)])
    with pytest.raises(ValueError, match=r"at least \(8, 8, 16\) .*got \(8, 8, 8\)"):
        DiteHRNet(extra=dict(stages_spec=spec))


@FEW
@given(st.data())
def test_arch_is_a_name_or_a_table(cls, data):
    runs_or_says(lambda: cls(arch=data.draw(JUNK), extra=data.draw(JUNK)))
