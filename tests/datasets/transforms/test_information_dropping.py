"""Information dropping hides discs near labelled keypoints, as often as it says."""

import numpy as np
import pytest

from mmlitehrnet.datasets.transforms import InformationDropping

POINTS = np.array([[[30.0, 40.0], [90.0, 60.0], [60.0, 50.0]]])


def sample(visible=(1, 1, 0)):
    image = np.full((100, 120, 3), 255, np.uint8)
    visible = np.array([visible], float)
    return dict(img=image, keypoints=POINTS.copy(), keypoints_visible=visible)


def hidden(results):
    dark = (results["img"] == 0).all(-1)
    assert (results["img"][~dark] == 255).all()
    return dark


def test_a_disc_around_a_labelled_keypoint():
    np.random.seed(0)
    transform = InformationDropping(radius=(8, 12), offset=0, prob=1)
    counts = np.zeros(3)
    for _ in range(200):
        before = sample()
        untouched = before["img"].copy()
        dark = hidden(transform(dict(before)))
        assert np.array_equal(before["img"], untouched)
        rows, columns = np.nonzero(dark)
        center = np.array([columns.mean(), rows.mean()])
        counts[np.abs(POINTS[0] - center).sum(1).argmin()] += 1
        assert np.abs(POINTS[0] - center).max(1).min() < 1e-6
        assert 8 - 0.5 < np.sqrt(dark.sum() / np.pi) < 12 + 0.5
    assert counts[2] == 0 and counts[:2].min() > 70


def test_how_often_and_how_far():
    np.random.seed(0)
    transform = InformationDropping(radius=(5, 5), offset=6, prob=0.3)
    found = [hidden(transform(sample((1, 0, 0)))) for _ in range(3000)]
    drawn = [dark for dark in found if dark.any()]
    assert len(drawn) / len(found) == pytest.approx(0.3, abs=0.03)
    centers = np.array([np.argwhere(dark).mean(0)[::-1] for dark in drawn])
    assert centers.mean(0) == pytest.approx(POINTS[0, 0], abs=0.7)
    assert centers.std(0) == pytest.approx([6, 6], abs=0.6)


@pytest.mark.parametrize("visible", [(0, 0, 0), ((0, 1), (0, 1), (0, 1))])
def test_nothing_is_hidden_without_a_labelled_keypoint(visible):
    transform = InformationDropping(radius=(8, 12), offset=2, prob=1)
    assert not hidden(transform(sample(visible))).any()


@pytest.mark.parametrize(
    "arguments, name",
    [
        (dict(radius=(3, 2), offset=1), "radius"),
        (dict(radius=(2, 3), offset=-1), "offset"),
        (dict(radius=(2, 3), offset=1, prob=1.1), "prob"),
    ],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(ValueError, match=f"^{name} must be .* got"):
        InformationDropping(**arguments)
