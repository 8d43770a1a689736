"""Codecs for MMPose: keypoints to heatmaps and back. Imported with MMPose's."""

from .msra_heatmap_blur import MSRAHeatmapBlur
from .msra_heatmap_inner import MSRAHeatmapInner

__all__ = ["MSRAHeatmapBlur", "MSRAHeatmapInner"]
