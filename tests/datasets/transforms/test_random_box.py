"""Random boxes are distributed as in the released code."""

import numpy as np
import pytest
from mmcv.transforms.utils import cache_random_params
from mmpose.registry import TRANSFORMS
from scipy.stats import norm, uniform

from mmlitehrnet.datasets.transforms import RandomBBoxShift, RandomScaleRotation

COUNT = 200_000
SIZE = np.array([100, 250], dtype=np.float32)
CENTER = np.array([40, 30], dtype=np.float32)


def boxes(count):
    return dict(
        bbox_center=np.tile(CENTER, (count, 1)), bbox_scale=np.tile(SIZE, (count, 1))
    )


def draw(transform):
    np.random.seed(0)
    return transform(boxes(COUNT))


def assert_drawn(values, distribution, end, tolerance):
    """Values are of a distribution clipped to an end on each side of its mean."""
    shares = np.linspace(0, 1, 41)
    low, high = distribution.mean() - end, distribution.mean() + end
    expected = distribution.ppf(shares).clip(low, high)
    assert np.quantile(values, shares) == pytest.approx(expected, abs=tolerance)


def test_scale():
    results = draw(RandomScaleRotation(scale_factor=0.25))
    scale = results["bbox_scale"] / SIZE
    assert np.allclose(scale[:, 0], scale[:, 1])  # the aspect ratio stays
    assert_drawn(scale[:, 0], norm(1, 0.25), 0.25, 0.004)


def test_rotation():
    rotation = draw(RandomScaleRotation(rotate_factor=30))["bbox_rotation"]
    assert rotation.shape == (COUNT,)
    assert np.mean(rotation != 0) == pytest.approx(0.6, abs=0.005)
    assert_drawn(rotation[rotation != 0], norm(0, 30), 60, 0.7)


def test_shift():
    results = draw(RandomBBoxShift(shift_factor=0.16, shift_prob=0.3))
    shift = (results["bbox_center"] - CENTER) / SIZE
    shifted = (shift != 0).any(1)
    assert shifted.mean() == pytest.approx(0.3, abs=0.005)
    for side in shift[shifted].T:
        assert_drawn(side, uniform(-0.16, 0.32), 0.16, 0.003)
    assert abs(np.corrcoef(shift[shifted].T)[0, 1]) < 0.02
    assert (results["bbox_scale"] == SIZE).all()


@pytest.mark.parametrize(
    "name, key",
    [("RandomBBoxShift", "bbox_center"), ("RandomScaleRotation", "bbox_scale")],
)
def test_mmpose_builds_it_and_images_that_are_mixed_share_what_is_drawn(name, key):
    transform = TRANSFORMS.build(dict(type=name))
    with cache_random_params(transform):
        first, second = (transform(boxes(50)) for _ in range(2))
    assert np.array_equal(first[key], second[key])
    assert not np.array_equal(first[key], transform(boxes(50))[key])
    assert {value.dtype for value in first.values()} == {np.dtype("float32")}


@pytest.mark.parametrize(
    "kind, name, value, allowed",
    [
        (RandomBBoxShift, "shift_factor", -0.1, "at least 0"),
        (RandomBBoxShift, "shift_prob", 1.5, "from 0 to 1"),
        (RandomScaleRotation, "scale_factor", (0.75, 1.25), "from 0 to 0.99"),
        (RandomScaleRotation, "rotate_factor", float("nan"), "at least 0"),
        (RandomScaleRotation, "rotate_prob", True, "from 0 to 1"),
    ],
)
def test_wrong_arguments_are_named(kind, name, value, allowed):
    with pytest.raises(ValueError, match=f"{name} must be .*{allowed}, got"):
        kind(**{name: value})
