"""LiteHRNet and NaiveLiteHRNet: equal to MMPose's where it works, working beyond."""

import argparse
import copy
import re

import numpy as np
import pytest
import torch
from mmengine.config import DictAction
from mmpose.models.backbones.litehrnet import LiteHRNet as MMPoseLiteHRNet

from mmlitehrnet import LiteHRNet, NaiveLiteHRNet
from tests.models.backbones.reference import (
    difference,
    gradient_difference,
    gradients,
    images,
    sane_weights,
)
from tests.models.deployed.networks import table
from tests.running import ROOT

LITE_WIDTHS = (40, 80, 160, 320)
NAIVE_WIDTHS = (30, 60, 120, 240)


def mmpose_extra(
    modules=(2, 4, 2), module_type="LITE", widths=LITE_WIDTHS, with_head=True
):
    """A network in the words of MMPose's configs."""
    return dict(table(module_type, 2, modules, widths), with_head=with_head)


# One of each size and kind: our class and row, and MMPose's description of it.
NETWORKS = {
    "litehrnet_18": (LiteHRNet, "18", mmpose_extra()),
    "litehrnet_30": (LiteHRNet, "30", mmpose_extra((3, 8, 3))),
    "naive_18": (NaiveLiteHRNet, "18", mmpose_extra((2, 4, 2), "NAIVE", NAIVE_WIDTHS)),
    "wider_naive_18": (NaiveLiteHRNet, "wider_18", mmpose_extra((2, 4, 2), "NAIVE")),
}


# A network small enough to be built in every combination.
def tiny(module_type):
    return mmpose_extra((1, 1, 2), module_type, widths=(8, 16, 24, 32))


TINY = tiny("LITE")


def mmpose_twin(net, extra):
    """MMPose's network on sane weights, and ours with the same, loaded strictly."""
    reference = sane_weights(MMPoseLiteHRNet(copy.deepcopy(extra)).double())
    net = net.double()
    net.load_state_dict(reference.state_dict(), strict=True)
    return net, reference


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_gradients_equal_mmpose(name):
    cls, arch, extra = NETWORKS[name]
    ours, theirs = mmpose_twin(cls(arch), extra)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = images(2, 3, 96, 64, dtype=torch.float64)
    theirs.eval()
    with torch.no_grad():
        expected = theirs(x)[0]
        assert expected.std() > 0.1 * expected.abs().mean()  # Not a constant.
        assert difference(ours.eval()(x)[0], expected) <= 1e-10
    theirs.train()
    with torch.no_grad():
        assert difference(ours.train()(x)[0], theirs(x)[0]) <= 1e-10
    assert gradient_difference(gradients(ours, x), gradients(theirs, x)) <= 1e-10


def test_one_module_type_for_each_stage():
    extra = mmpose_extra((1, 1, 1))
    extra["stages_spec"]["module_type"] = ("NAIVE", "LITE", "NAIVE")
    extra["stages_spec"]["with_fuse"] = (True, False, True)
    extra["stem"] = dict(stem_channels=24, out_channels=40, expand_ratio=1.5)
    ours, theirs = mmpose_twin(LiteHRNet(extra=extra), extra)
    # The positional `extra` of MMPose is our `arch`.
    assert list(LiteHRNet(extra).state_dict()) == list(theirs.state_dict())
    x = images(2, 3, 64, 96, dtype=torch.float64)
    theirs.eval()
    assert difference(ours.eval()(x)[0], theirs(x)[0]) <= 1e-10


def test_without_head_equals_mmpose_and_leaves_out_what_is_unused():
    extra = mmpose_extra(with_head=False)
    ours = LiteHRNet(extra=extra)
    theirs = MMPoseLiteHRNet(copy.deepcopy(extra))
    num_theirs, num_ours = (
        sum(p.numel() for p in net.parameters()) for net in (theirs, ours)
    )
    assert num_theirs - num_ours == 223_600
    ours, theirs = mmpose_twin(ours, extra)
    x = images(1, 3, 64, 64, dtype=torch.float64)
    theirs.eval()
    assert difference(ours.eval()(x)[0], theirs(x)[0]) <= 1e-10


def test_maps_do_not_depend_on_which_others_are_asked_for():
    for with_head in (True, False):
        extra = dict(TINY, with_head=with_head)
        whole = sane_weights(LiteHRNet(extra, out_indices=(0, 1, 2, 3)).double()).eval()
        x = images(1, 3, 64, 64, dtype=torch.float64)
        expected = whole(x)
        for out_indices in [(0,), (1,), (3,), (3, 1), (2, 0)]:
            part = LiteHRNet(extra, out_indices=out_indices).double().eval()
            part.load_state_dict(whole.state_dict(), strict=True)
            for index, y in zip(out_indices, part(x)):
                assert difference(y, expected[index]) <= 1e-12


@pytest.mark.parametrize(
    "arch, strides", [("s", (8, 16, 32)), ("x", (2, 4, 8, 16, 32))]
)
def test_intels_networks_give_the_maps_of_intels_code(arch, strides):
    """Every 29th value of OpenVINO Training Extensions 2.6.0 on such weights."""
    net = LiteHRNet(arch, with_head=False, out_indices=tuple(range(len(strides))))
    assert net.strides == strides and net.size_divisor == 32
    maps = sane_weights(net.double()).eval()(images(1, 3, 64, 96, dtype=torch.float64))
    with np.load(ROOT / "tests/data/otx_lite_hrnet.npz") as golden:
        for k, y in enumerate(maps):
            expected = torch.from_numpy(golden[f"{arch}{k}"])
            assert difference(y.flatten()[::29], expected) <= 1e-6


@pytest.mark.parametrize("arch", "sx")
def test_intels_files_fit_strictly(arch):
    path = ROOT.parent / f"shared/golden/otx_lite_hrnet_{arch}.pth"
    if not path.exists():
        pytest.skip(f"needs {path.name} in shared")
    branches = dict(s=3, x=5)[arch]
    net = LiteHRNet(arch, with_head=False, out_indices=tuple(range(branches)))
    net.load_state_dict(torch.load(path, weights_only=True), strict=True)
    with np.load(path.with_name(f"otx_lite_hrnet_{arch}_io.npz")) as golden:
        x, *expected = (torch.from_numpy(golden[key]) for key in golden)
    with torch.no_grad():
        maps = net.eval()(x)
    assert [y.shape for y in maps] == [y.shape for y in expected]
    if arch == "s":  # Rounding grows to this here, and to 0.5 in the larger network.
        assert max(map(difference, maps, expected)) <= 1e-3


def test_odd_sizes_that_mmpose_can_do_are_equal():
    ours, theirs = mmpose_twin(LiteHRNet(TINY), TINY)
    ours.eval(), theirs.eval()
    for size in ((253, 189), (96, 127)):
        x = images(1, 3, *size, dtype=torch.float64)
        assert difference(ours(x)[0], theirs(x)[0]) <= 1e-10


@pytest.mark.parametrize("frozen_stages", [-1, 0, 1, 2, 3])
def test_frozen_stages(frozen_stages):
    net = LiteHRNet(TINY, frozen_stages=frozen_stages).train()
    before = copy.deepcopy(net.state_dict())
    grads = gradients(net, images(2, 3, 64, 64))
    after = net.state_dict()
    steps = ["stem", "stage0", "stage1", "stage2", "head_layer"]
    for k, name in enumerate(steps):
        frozen = k <= frozen_stages
        own = [g for key, g in grads.items() if key.startswith(name + ".")]
        assert own and all((g is None) == frozen for g in own)
        means = [k for k in before if k.startswith(name) and "running_mean" in k]
        for key in means:
            assert torch.equal(after[key], before[key]) == frozen


def test_default_initialisation_is_that_of_mmpose():
    net = LiteHRNet("18")
    net.init_weights()
    weights = torch.cat(
        [m.weight.flatten() for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    )
    assert weights.std().item() == pytest.approx(0.001, rel=0.05)


def stages(**changes):
    """TINY with changes to its stages_spec."""
    return dict(TINY, stages_spec=dict(TINY["stages_spec"], **changes))


REST = (8, 16, 24), (8, 16, 24, 32)
FEWER_BRANCHES = dict(num_modules=(1, 1), num_channels=((8, 16, 24), (8, 16)))
#: Arguments, and which of them the error names.
BAD_ARGUMENTS = [
    (dict(arch="19"), "arch"),
    (dict(arch="18", extra=TINY), "arch"),
    (dict(extra=dict(TINY, heads=1)), "extra"),
    (dict(extra=dict(TINY, num_stages=4)), "num_modules"),
    (dict(extra=dict(TINY, with_head="yes")), "with_head"),
    (dict(extra=dict(TINY, stem=dict(stem_channels=33))), "stem_channels"),
    (dict(arch=dict(TINY, stem=dict(expand_ratio=1e400))), "expand_ratio"),
    (dict(arch=dict(TINY, stem=dict(strides=(2, 3)))), "strides"),
    (dict(arch=dict(TINY, stem=dict(extra_stride=2))), "extra_stride"),
    (dict(arch=stages(num_modules=(1, 1))), "num_modules"),
    (dict(extra=stages(num_blocks=(2, 2, (2, 2, 1, 1)))), "num_blocks"),
    (dict(extra=stages(num_branches=(2, 3, 3))), "num_branches"),
    (dict(extra=stages(module_type=("LITE", "LITE", "HEAVY"))), "module_type"),
    (dict(extra=stages(reduce_ratios=(8, 99, 8))), "reduce_ratios"),
    (dict(extra=stages(num_channels=((8, 15), *REST))), "num_channels"),
    (dict(extra=stages(num_channels=((4, 16), *REST))), "num_channels"),
    (dict(arch=dict(stages_spec=FEWER_BRANCHES)), "num_channels"),
    (dict(extra=TINY, with_head=False), "with_head"),
    *((dict(in_channels=n), "in_channels") for n in (0, "3", 3.0, True)),
    *((dict(out_indices=i), "out_indices") for i in [(0, 4), (-1,), (1, 1), "0"]),
    *((dict(frozen_stages=stage), "frozen_stages") for stage in (4, -2, None)),
    (dict(norm_cfg=dict(type="BM")), "norm_cfg"),
    *((dict(conv_cfg=cfg), "conv_cfg") for cfg in ("Conv2d", dict(type="Conf"))),
    (dict(with_cp="no"), "with_cp"),
    (dict(norm_eval=None), "norm_eval"),
    (
        dict(extra=dict(stages(with_fuse=(True, True, False)), with_head=False)),
        "out_indices",
    ),
]


@pytest.mark.parametrize("kwargs, name", BAD_ARGUMENTS)
def test_bad_arguments_are_named(kwargs, name):
    with pytest.raises(ValueError, match=f"{name}.* must be .*, got "):
        LiteHRNet(**kwargs)


def test_a_name_of_digits_from_the_command_line():
    """--cfg-options makes numbers of them, in quotes or not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    options = parser.parse_args(["--cfg-options", "arch='30'"]).cfg_options
    assert options == dict(arch=30)
    net = LiteHRNet(**options)
    assert net.state_dict().keys() == LiteHRNet("30").state_dict().keys()


def test_maps_of_a_stage_without_fusion_come_in_the_order_asked_for():
    spec = dict(num_modules=(1,), num_channels=((8, 16),), with_fuse=(False,))
    net = LiteHRNet(dict(stages_spec=spec), with_head=False, out_indices=(1, 0))
    maps = net(torch.rand(1, 3, 64, 64))
    assert [y.shape[1] for y in maps] == list(net.out_channels) == [16, 8]


def test_naive_network_takes_no_lite_blocks():
    with pytest.raises(ValueError, match="module_type.*'NAIVE'.*'LITE'"):
        NaiveLiteHRNet(extra=mmpose_extra())


@pytest.mark.parametrize(
    "x, got",
    [
        (torch.rand(3, 64, 64), (3, 64, 64)),
        (torch.rand(1, 1, 64, 64), (1, 1, 64, 64)),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), torch.uint8),
        (torch.rand(0, 3, 64, 64), (0, 3, 64, 64)),
        ([torch.rand(1, 3, 64, 64)], list),
    ],
)
def test_bad_inputs_are_named(x, got):
    with pytest.raises(ValueError, match=re.escape("(N, 3, H, W)")) as caught:
        LiteHRNet(TINY)(x)
    assert str(caught.value).endswith(f"got {got}")
