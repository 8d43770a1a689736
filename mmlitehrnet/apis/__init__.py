"""Models from configs, and inference by MMPose's and MMSegmentation's Inferencers."""

from .hub import find_model
from .inference import open_inferencer, predict, result_of
from .media import Medium, MediumError, find_media
from .model import config_input_size, load_config, network_from_config

__all__ = [
    "Medium",
    "MediumError",
    "config_input_size",
    "find_model",
    "find_media",
    "load_config",
    "network_from_config",
    "open_inferencer",
    "predict",
    "result_of",
]
