"""Codecs for MMPose: keypoints to heatmaps and back. Imported with MMPose's."""

from .msra_heatmap_blur import MSRAHeatmapBlur

__all__ = ["MSRAHeatmapBlur"]
