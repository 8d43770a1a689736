"""From pictures to results: what MMPose's and MMSegmentation's Inferencers do."""

from .media import Medium, find_media
from .predictors import PosePredictor, SegPredictor, open_predictor
from .run import predict

__all__ = [
    "Medium",
    "PosePredictor",
    "SegPredictor",
    "find_media",
    "open_predictor",
    "predict",
]
