"""Let MMPose draw keypoints. Imported with MMPose's visualizers.

For MMPose 1.3 on numpy >= 2.4, where ``int`` takes no array of one element any more:
MMPose gives the radius of a keypoint as such an array, and its OpenCV backend, the
default one, takes ``int`` of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from mmpose.visualization.opencv_backend_visualizer import OpencvBackendVisualizer


def with_scalar_radius(draw_circles: Callable) -> Callable:
    """Wrap ``draw_circles`` so that a radius of one element has no dimensions."""

    @functools.wraps(draw_circles)
    def draw(self, center, radius, *args, **kwargs):
        if self.backend == "opencv" and isinstance(radius, np.ndarray):
            radius = radius.reshape(()) if radius.size == 1 else radius
        return draw_circles(self, center, radius, *args, **kwargs)

    return draw


if np.lib.NumpyVersion(np.__version__) >= "2.4.0":
    OpencvBackendVisualizer.draw_circles = with_scalar_radius(
        OpencvBackendVisualizer.draw_circles
    )
