"""The codec of the papers' evaluation."""

import cv2
import numpy as np
import pytest
from mmpose.codecs import MSRAHeatmap

from mmlitehrnet.codecs import MSRAHeatmapBlur

SIZES = dict(input_size=(192, 256), heatmap_size=(48, 64), sigma=2)


def test_filter_then_quarter_offset():
    rng = np.random.default_rng(0)
    codec = MSRAHeatmapBlur(**SIZES)
    keypoints = rng.uniform([40, 40], [150, 210], size=(1, 17, 2))
    heatmaps = codec.encode(keypoints)["heatmaps"]
    heatmaps = heatmaps + rng.normal(scale=0.2, size=heatmaps.shape).astype(np.float32)
    before = heatmaps.copy()
    found, scores = codec.decode(heatmaps)
    assert np.array_equal(heatmaps, before)
    assert np.allclose(scores[0], heatmaps.max(axis=(1, 2)))
    for k in range(17):
        padded = np.pad(heatmaps[k], 5)
        smooth = cv2.GaussianBlur(padded, (11, 11), 0)[5:-5, 5:-5]
        y, x = np.unravel_index(smooth.argmax(), smooth.shape)
        dx = np.sign(smooth[y, x + 1] - smooth[y, x - 1]) / 4
        dy = np.sign(smooth[y + 1, x] - smooth[y - 1, x]) / 4
        assert np.allclose(found[0, k], [(x + dx) * 4, (y + dy) * 4])
    unfiltered = MSRAHeatmap(**SIZES).decode(heatmaps)[0]
    error = np.linalg.norm(found - keypoints, axis=-1).mean()
    assert error < 0.7 * np.linalg.norm(unfiltered - keypoints, axis=-1).mean()


def test_empty_heatmaps_stay_finite():
    keypoints, scores = MSRAHeatmapBlur(**SIZES).decode(np.zeros((3, 64, 48), "f4"))
    assert np.isfinite(keypoints).all() and (scores == 0).all()


@pytest.mark.parametrize("blur_kernel_size", [0, 10, -3])
def test_bad_kernel_size_is_named(blur_kernel_size):
    with pytest.raises(ValueError, match=f"blur_kernel_size.*{blur_kernel_size}"):
        MSRAHeatmapBlur(**SIZES, blur_kernel_size=blur_kernel_size)
