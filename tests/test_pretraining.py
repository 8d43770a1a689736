"""ImageNet classification by MMPretrain; test_mim.py runs it."""

import pytest
import torch
from mmengine import Config

from mmlitehrnet.models.necks.concat_average_pooling import ConcatAveragePooling
from tests.running import ROOT


def test_images_are_normalised_as_those_of_the_pose_configs():
    ours = Config.fromfile(ROOT / "configs/cls/litehrnet_18_in1k.py")
    pose = Config.fromfile(ROOT / "configs/pose/litehrnet_18_coco_256x192.py")
    for key in ("mean", "std"):
        theirs = pose.model.data_preprocessor[key]
        assert ours.data_preprocessor[key] == pytest.approx(theirs)


def test_pooling_averages_and_normalises_each_channel():
    maps = [100 * torch.rand(4, 3, 4, 5), torch.rand(4, 2, 1, 3)]
    neck = ConcatAveragePooling(5)
    (pooled,) = neck(maps)
    assert pooled.shape == (4, 5)
    torch.testing.assert_close(pooled.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    (pooled,) = ConcatAveragePooling(5).eval()(maps)
    expected = torch.cat([x.mean((2, 3)) for x in maps], dim=1)
    torch.testing.assert_close(pooled, expected, rtol=1e-4, atol=0)
    # A batch of one sample.
    assert neck([x[:1] for x in maps])[0].shape == (1, 5)
