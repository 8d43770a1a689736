"""Codecs for MMPose: keypoints to heatmaps and back. Imported with MMPose's."""

from mmpose.registry import KEYPOINT_CODECS

from ..scope import allow_inheritance
from .msra_heatmap_blur import MSRAHeatmapBlur
from .msra_heatmap_inner import MSRAHeatmapInner

allow_inheritance(KEYPOINT_CODECS)

__all__ = ["MSRAHeatmapBlur", "MSRAHeatmapInner"]
