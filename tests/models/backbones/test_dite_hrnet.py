"""DiteHRNet: equal to the released code, and what goes beyond it."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmlitehrnet import DiteHRNet
from tests.models.backbones.reference import (
    difference,
    gradients,
    images,
    sane_weights,
)

GOLDEN = Path(__file__).parents[2] / "data" / "ditehrnet_tiny_official.npz"
WIDTHS = (16, 32, 64, 128)
TINY = dict(
    stages_spec=dict(
        num_modules=(1, 1, 2), num_channels=(WIDTHS[:2], WIDTHS[:3], WIDTHS)
    )
)


@pytest.fixture(scope="module")
def golden():
    """Numbers of the released code in a tiny configuration."""
    with np.load(GOLDEN) as file:
        return {key: file[key] for key in file.files}


def golden_state_dict(golden):
    prefix = "state_dict/"
    return {
        key[len(prefix) :]: torch.from_numpy(value)
        for key, value in golden.items()
        if key.startswith(prefix)
    }


def test_official_pooling_reproduces_the_released_code(golden):
    extra = json.loads(str(golden["config"]))
    net = DiteHRNet(extra=extra, context_pooling="official").eval()
    net.load_state_dict(golden_state_dict(golden), strict=True)
    trace = {}
    for name in ("stem", "stage0", "stage1", "stage2"):
        getattr(net, name).register_forward_hook(
            lambda module, args, out, name=name: trace.update({name: out})
        )
    with torch.no_grad():
        (output,) = net(torch.from_numpy(golden["input"]))
    assert difference(output, torch.from_numpy(golden["output"])) <= 1e-5
    traced = [key for key in golden if key.startswith("trace/")]
    assert len(traced) == 10
    for key in traced:
        name, _, branch = key[len("trace/") :].partition(".")
        ours = trace[name][int(branch)] if branch else trace[name]
        assert difference(ours, torch.from_numpy(golden[key])) <= 1e-5, key


def test_batch_of_one_trains_and_keeps_the_statistics_of_its_attention():
    net = sane_weights(DiteHRNet(TINY)).train()
    before = copy.deepcopy(net.state_dict())
    grads = gradients(net, images(1, 3, 64, 64))
    assert all(g.isfinite().all() for g in grads.values() if g is not None)
    after = net.state_dict()
    # The stem's maps have many values per channel, its attention only one.
    attention = "stem.branch1.0.conv.attention.bn.running_mean"
    assert torch.equal(after[attention], before[attention])
    conv = "stem.conv1.bn.running_mean"
    assert not torch.equal(after[conv], before[conv])


@pytest.mark.parametrize(
    "kwargs, name",
    [
        (dict(context_pooling="mean"), "context_pooling"),
        *((dict(num_groups=n), "num_groups") for n in [(1, 1, 2), (1, 1, 2, 7)]),
        *((dict(num_kernels=n), "num_kernels") for n in [[1] * 5, (4, 4, 2, 0)]),
        (
            dict(extra=dict(TINY, stem=dict(stem_channels=20, out_channels=20))),
            "stem_channels",
        ),
    ],
)
def test_bad_arguments_are_named(kwargs, name):
    with pytest.raises(ValueError, match=f"{name}.* must .*, got "):
        DiteHRNet(**kwargs)


def test_weight_decay_of_depthwise_kernels_as_documented():
    """MMEngine's ``dwconv_decay_mult`` knows Conv2d; computed kernels have a key."""
    net = DiteHRNet(extra=TINY)
    paramwise = dict(
        dwconv_decay_mult=0.0,
        custom_keys={"aggregation.weight": dict(decay_mult=0.0)},
    )
    optimizer = dict(type="SGD", lr=0.1, weight_decay=0.1)
    wrapper = build_optim_wrapper(
        net, dict(optimizer=optimizer, paramwise_cfg=paramwise)
    )
    names = {id(p): name for name, p in net.named_parameters()}
    without = {
        names[id(group["params"][0])]
        for group in wrapper.optimizer.param_groups
        if group["weight_decay"] == 0
    }
    depthwise = {
        f"{name}.{key}"
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels
        for key, _ in module.named_parameters()
    }
    dynamic = {name for name in names.values() if name.endswith("aggregation.weight")}
    assert depthwise and dynamic and without == depthwise | dynamic
