"""SmallHRNet: equal to MMPose's and MMSegmentation's HRNet."""

import copy

import pytest
import torch
from mmdet.models.backbones.hrnet import HRNet as MMDetHRNet
from mmengine.registry import MODELS, DefaultScope
from mmpose.models.backbones.hrnet import HRNet as MMPoseHRNet
from mmseg.models.backbones.hrnet import HRNet as MMSegHRNet

from mmlitehrnet import SmallHRNet
from tests.models.backbones.reference import (
    difference,
    gradient_difference,
    gradients,
    images,
    sane_weights,
)


def hrnet_extra(first, num_modules, width):
    """A network in the layout of HRNet's configs."""
    stages = [(1, "BOTTLENECK", (first[0],), (first[1],))]
    for branches, modules in enumerate(num_modules, start=2):
        widths = tuple(width * 2**k for k in range(branches))
        stages.append((modules, "BASIC", (2,) * branches, widths))
    keys = ("num_modules", "block", "num_blocks", "num_channels")
    return {
        f"stage{i}": dict(zip(keys, stage), num_branches=i)
        for i, stage in enumerate(stages, start=1)
    }


EXTRAS = dict(
    w16=hrnet_extra((1, 32), (1, 1, 1), 16), w18_v2=hrnet_extra((2, 64), (1, 3, 2), 18)
)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_extra_of_upstream_configs(mode):
    extra = copy.deepcopy(EXTRAS["w18_v2"])
    extra["stage4"]["multiscale_output"] = True
    if mode == "bilinear":
        extra["upsample"] = dict(mode="bilinear", align_corners=False)
    theirs = sane_weights(MMPoseHRNet(copy.deepcopy(extra)).double())
    theirs.eval()
    ours = SmallHRNet(extra=extra).double().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = images(1, 3, 64, 64, dtype=torch.float64)
    assert len(ours(x)) == 4
    for y, expected in zip(ours(x), theirs(x)):
        assert difference(y, expected) <= 1e-10


LIBRARIES = {
    "mmpose": (MMPoseHRNet, "w16", (128, 96)),
    "mmseg": (MMSegHRNet, "w18_v2", (122, 90)),  # others need multiples of 32
    "mmdet": (MMDetHRNet, "w16", (128, 96)),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_takes_the_place_of_the_librarys_hrnet(library):
    """With only the type changed: all that its HRNet does without being told."""
    kind, arch, size = LIBRARIES[library]
    cfg = dict(type="HRNet", extra=EXTRAS[arch])
    with DefaultScope.overwrite_default_scope(library):
        theirs = sane_weights(MODELS.build(copy.deepcopy(cfg)).double())
        ours = MODELS.build(dict(cfg, type="SmallHRNet")).double()
    assert type(theirs) is kind
    # Upstream builds paths to the maps that it does not give out.
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = images(2, 3, *size, dtype=torch.float64)
    for mode in (False, True):
        theirs.train(mode), ours.train(mode)
        maps, expected = ours(x), theirs(x)
        assert len(maps) == len(expected) == (1 if library == "mmpose" else 4)
        for y, like in zip(maps, expected):
            assert difference(y, like) <= 1e-10
    expected = {k: g for k, g in gradients(theirs, x).items() if g is not None}
    found = {k: g for k, g in gradients(ours, x).items() if g is not None}
    assert gradient_difference(found, expected) <= 1e-10


@pytest.mark.parametrize("multiscale_output", [False, True])
@pytest.mark.parametrize("library", ["mmseg", "mmdet"])
def test_multiscale_output_is_hrnets(library, multiscale_output):
    cfg = dict(type="SmallHRNet", extra=EXTRAS["w16"])
    with DefaultScope.overwrite_default_scope(library):
        net = MODELS.build(dict(cfg, multiscale_output=multiscale_output))
    assert len(net.out_channels) == (4 if multiscale_output else 1)


def test_a_row_of_the_table_is_the_same_in_every_library():
    with DefaultScope.overwrite_default_scope("mmseg"):
        assert SmallHRNet("w16").out_channels == (16,)


def test_residual_blocks_start_as_identities():
    net = SmallHRNet(zero_init_residual=True)
    net.init_weights()
    assert not net.stage2[0].branches[0][0].bn2.weight.any()
    assert not net.layer1[0].bn3.weight.any() and net.layer1[0].bn2.weight.all()


@pytest.mark.parametrize("zero_init_residual", [False, True])
def test_pretrained_is_the_older_name_of_init_cfg(tmp_path, zero_init_residual):
    theirs = sane_weights(SmallHRNet())
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    net = SmallHRNet(
        pretrained=str(tmp_path / "weights.pth"), zero_init_residual=zero_init_residual
    )
    net.init_weights()
    loaded = net.state_dict()
    for key, value in theirs.state_dict().items():
        assert torch.equal(loaded[key], value), key


@pytest.mark.parametrize("frozen_stages", range(-1, 5))
def test_frozen_stages_are_those_of_mmpose(frozen_stages):
    extra = EXTRAS["w16"]
    theirs = MMPoseHRNet(copy.deepcopy(extra), frozen_stages=frozen_stages)
    ours = SmallHRNet(frozen_stages=frozen_stages)
    expected = {k: p.requires_grad for k, p in theirs.named_parameters()}
    assert {k: p.requires_grad for k, p in ours.named_parameters()} == expected


def changed(stage, **changes):
    arch = copy.deepcopy(EXTRAS["w16"])
    arch[stage].update(changes)
    return arch


ALIGNED = dict(mode="bilinear", align_corners=True)


@pytest.mark.parametrize(
    "kwargs, name",
    [
        (dict(arch="w16", extra={}), "arch"),
        (dict(extra={}), "extra"),
        (dict(extra=changed("stage2", block="BASE")), "block"),
        (dict(extra=changed("stage3", num_channels=(16, 32))), "num_branches"),
        (dict(extra=changed("stage3", num_branches=2)), "num_branches"),
        (dict(extra=changed("stage3", num_blocks=(2, 2))), "num_blocks"),
        (dict(extra=changed("stage4", num_modules=0)), "num_modules"),
        (dict(upsample="cubic"), "upsample"),
        *(
            (dict(extra=dict(EXTRAS["w16"], upsample=upsample)), "upsample")
            for upsample in (dict(mode="cubic"), ALIGNED)
        ),
        (
            dict(
                extra=dict(EXTRAS["w16"], upsample=dict(mode="bilinear")),
                upsample="nearest",
            ),
            "upsample",
        ),
        (dict(frozen_stages=5), "frozen_stages"),
        (dict(pretrained=3), "pretrained"),
        (dict(pretrained="a", init_cfg=[]), "init_cfg"),
        (dict(multiscale_output=1), "multiscale_output"),
        (dict(multiscale_output=True, out_indices=0), "out_indices"),
        (dict(zero_init_residual=0), "zero_init_residual"),
    ],
)
def test_bad_arguments_are_named(kwargs, name):
    with pytest.raises(ValueError, match=f"{name}.* must be .*, got "):
        SmallHRNet(**kwargs)
