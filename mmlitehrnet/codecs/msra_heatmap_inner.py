"""The heatmap codec of PaddleDetection's evaluation. Imported with MMPose's codecs."""

from __future__ import annotations

import numpy as np
from mmpose.codecs import MSRAHeatmap
from mmpose.codecs.utils import get_heatmap_maximum
from mmpose.registry import KEYPOINT_CODECS


@KEYPOINT_CODECS.register_module(force=True)
class MSRAHeatmapInner(MSRAHeatmap):
    """MSRA heatmaps whose keypoints at the edge stay in the middle of their cell.

    MMPose's ``MSRAHeatmap`` moves a keypoint by a quarter of a cell in x and in y, in
    each where both neighbours are there. PaddleDetection and MMPose 0.x do not move it
    at all if the highest cell is among the first two or the last of a row or a column.
    All else is as in ``MSRAHeatmap``.
    """

    def decode(self, encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the keypoints of one person.

        Args:
            encoded: Heatmaps of shape (K, H, W).

        Returns:
            Keypoints (1, K, 2) in pixels of the input image, and scores (1, K).
        """
        keypoints, scores = super().decode(encoded)
        cells = get_heatmap_maximum(encoded)[0].clip(0)
        last = np.array(self.heatmap_size) - 1
        edge = ((cells <= 1) | (cells >= last)).any(-1)
        keypoints[0, edge] = cells[edge] * self.scale_factor
        return keypoints, scores
