"""Information dropping as PP-TinyPose's recipe has it. Imported with MMPose's."""

from __future__ import annotations

import math

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmpose.registry import TRANSFORMS

from .arguments import check_number


@TRANSFORMS.register_module(force=True)
class InformationDropping(BaseTransform):
    """Black out a disc near a keypoint (AID, arXiv:2008.07139).

    The network has to find a hidden keypoint by the others. Lengths are in pixels of
    the image as it is, and in PP-TinyPose's recipe that is the whole image before
    ``TopdownAffine``: of a small person more is hidden than of a large one.

    Reads ``keypoints`` (1, K, 2) in pixels and ``keypoints_visible`` (1, K) or
    (1, K, 2), changes ``img`` (H, W, 3). Without a labelled keypoint nothing is hidden.

    Args:
        radius: Least and largest radius of the disc in pixels.
        offset: Standard deviation, in x and in y, of its centre around the keypoint.
        prob: Probability of a disc.

    Raises:
        ValueError: If ``radius`` are not two numbers, the second not the smaller one,
            ``offset`` is negative, or ``prob`` is not from 0 to 1.
    """

    def __init__(
        self, radius: tuple[float, float], offset: float, prob: float = 0.5
    ) -> None:
        super().__init__()
        if len(radius) != 2 or not 0 <= radius[0] <= radius[1]:
            raise ValueError(
                "radius must be two numbers of at least 0, the smaller one first, "
                f"got {radius!r}"
            )
        check_number("offset", offset, 0, math.inf)
        check_number("prob", prob, 0, 1)
        self.radius = radius
        self.offset = offset
        self.prob = prob

    @cache_randomness
    def _draw(self, num_points: int) -> tuple[int, np.ndarray, float]:
        """Draw which keypoint, the disc's distance (2,) from it, and its radius."""
        shift = self.offset * np.random.randn(2)
        return np.random.randint(num_points), shift, np.random.uniform(*self.radius)

    @cache_randomness
    def _is_drawn(self) -> bool:
        return np.random.rand() < self.prob

    def transform(self, results: dict) -> dict:
        """Hide a part of the image of a sample."""
        visible = results["keypoints_visible"]
        labelled = visible[..., 0] if visible.ndim == 3 else visible
        points = results["keypoints"][labelled > 0]
        if len(points) and self._is_drawn():
            number, shift, radius = self._draw(len(points))
            x, y = points[number, :2] + shift
            image = results["img"].copy()
            rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
            image[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2] = 0
            results["img"] = image
        return results
