"""What stands in for parts of MMPose's and MMSegmentation's Inferencers."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

from mmcv.transforms import Compose, LoadImageFromFile
from mmengine.config import Config
from torch import nn

from ..checkpoints import (
    CheckpointError,
    compare_weights,
    explain,
    load_checkpoint,
    weights_of,
)
from .model import network_from_config


class CheckedWeights:
    """Mixin for an Inferencer: reads weights only, and every tensor must fit.

    The Inferencers by themselves unpickle whatever the checkpoint holds, load what fits
    and leave the rest of the model random.
    """

    #: The Inferencer's own, which also takes over the classes of the data set.
    _load_weights_to_model: Callable[[nn.Module, dict, Config], None]

    def _init_model(
        self, cfg: Config, weights: str | Path, device: Any = "cpu"
    ) -> nn.Module:
        """Build the model of a config and load its weights, for MMEngine.

        Raises:
            ValueError: If the model cannot be built.
            CheckpointError: If the checkpoint is missing, holds more than data or does
                not fit.
        """
        cfg.model.pop("pretrained", None)
        model = network_from_config(cfg)
        checkpoint = load_checkpoint(weights)
        mismatch = compare_weights(model, weights_of(checkpoint, str(weights)))
        # Published files may hold the normalisation, which is the config's to give.
        if not mismatch.outside("data_preprocessor.").exact:
            raise CheckpointError(
                f"{weights} does not fit the model of {cfg.filename}: "
                f"{explain(mismatch, checkpoint)} "
                "(tools/convert_checkpoint.py converts weights of other code)"
            )
        model.cfg = cfg
        self._load_weights_to_model(model, checkpoint, cfg)
        return model.to(device).eval()


def loading_step(pipeline: Compose) -> LoadImageFromFile:
    """Find the step of a test pipeline that loads images; depths stay as in the file.

    The step itself makes floats of what it is given, where the config says so.

    Raises:
        ValueError: If there is none.
    """
    for step in pipeline.transforms:
        step = copy(getattr(step, "from_file", step))  # within MMSegmentation's loader
        if isinstance(step, LoadImageFromFile):
            step.to_float32 = False
            return step
    raise ValueError("the test pipeline has no step that loads images, as LoadImage")
