"""The heatmap codec of the papers' evaluation. Imported with MMPose's codecs."""

from __future__ import annotations

import numpy as np
from mmpose.codecs import MSRAHeatmap
from mmpose.codecs.utils import gaussian_blur
from mmpose.registry import KEYPOINT_CODECS


@KEYPOINT_CODECS.register_module(force=True)
class MSRAHeatmapBlur(MSRAHeatmap):
    """MSRA heatmaps, filtered by a Gaussian before they are decoded.

    Targets are those of MMPose's ``MSRAHeatmap``. Predicted heatmaps are smoothed
    by a Gaussian kernel of ``blur_kernel_size`` cells that keeps their maximum;
    the keypoint is then the highest cell, moved by a quarter of a cell towards the
    higher neighbour (Lite-HRNet, section 4.1, "testing"). ``MSRAHeatmap`` decodes
    without the filter.

    Args:
        input_size: Image size (W, H) in pixels.
        heatmap_size: Heatmap size (W, H) in cells.
        sigma: Standard deviation of the target Gaussian in cells.
        blur_kernel_size: Size of the filter in cells; odd.

    Raises:
        ValueError: If ``blur_kernel_size`` is not a positive odd number.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        heatmap_size: tuple[int, int],
        sigma: float,
        blur_kernel_size: int = 11,
    ) -> None:
        if blur_kernel_size < 1 or blur_kernel_size % 2 == 0:
            raise ValueError(
                f"blur_kernel_size must be a positive odd number, got "
                f"{blur_kernel_size!r}"
            )
        super().__init__(
            input_size, heatmap_size, sigma, blur_kernel_size=blur_kernel_size
        )

    def decode(self, encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the keypoints of one person.

        Args:
            encoded: Heatmaps of shape (K, H, W).

        Returns:
            Keypoints (1, K, 2) in pixels of the input image, and scores (1, K).
        """
        heatmaps = encoded.copy()
        # The filter divides by the maximum.
        peaked = heatmaps.max(axis=(1, 2)) > 0
        if peaked.any():
            heatmaps[peaked] = gaussian_blur(heatmaps[peaked], self.blur_kernel_size)
        return super().decode(heatmaps)
