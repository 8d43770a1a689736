"""Models from configs, and their weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine import Config
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from ..checkpoints import (
    CheckpointError,
    compare_weights,
    explain,
    load_checkpoint,
    weights_of,
)


def load_config(path: str | Path, changes: Mapping[str, Any] | None = None) -> Config:
    """Read the config of a model.

    Args:
        path: File of the config.
        changes: What to change, as of ``--cfg-options``.

    Raises:
        ValueError: If there is no such file, it is no config of a model, or the
            changes do not fit it.
    """
    if not Path(path).is_file():
        raise ValueError(f"config {path}: there is no such file")
    try:
        config = Config.fromfile(path)
    except Exception as error:  # A config is code, which can do anything.
        raise ValueError(
            f"config {path} cannot be read: {type(error).__name__}: {error}"
        ) from error
    try:
        config.merge_from_dict(dict(changes or {}))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"config {path}: --cfg-options: {error}") from error
    if not isinstance(config.get("model"), dict):
        raise ValueError(f"config {path}: it has no model")
    return config


def network_from_config(cfg: Config) -> nn.Module:
    """Build the model of a config, without weights.

    Args:
        cfg: A config of MMPose (where it names no other library), MMSegmentation,
            MMDetection or MMPretrain.

    Returns:
        The pose estimator, segmentor, detector or classifier.

    Raises:
        ValueError: If the model cannot be built from the config's arguments.
    """
    init_default_scope(cfg.get("default_scope", "mmpose"))
    model = dict(cfg.model)
    if "data_preprocessor" in cfg:  # as MMEngine's runner does it
        model.setdefault("data_preprocessor", cfg.data_preprocessor)
    try:
        return MODELS.build(model)
    except Exception as error:  # Whatever a class does with wrong arguments.
        raise ValueError(
            f"the model of config {cfg.filename} cannot be built: {error}"
        ) from error


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
        if not mismatch.exact:
            raise CheckpointError(
                f"{weights} does not fit the model of {cfg.filename}: "
                f"{explain(mismatch, checkpoint)} "
                "(tools/convert_checkpoint.py converts weights of other code)"
            )
        model.cfg = cfg
        self._load_weights_to_model(model, checkpoint, cfg)
        return model.to(device).eval()


#: Keys that name a size in a test pipeline, and whether it is (width, height).
SIZE_KEYS = {"input_size": True, "scale": True, "crop_size": False}


def config_input_size(cfg: Config) -> tuple[int, int]:
    """Find the size of the images that a config's model is made for.

    Args:
        cfg: A config of any library of the family: the size that the data
            preprocessor pads to, or that the last step of the test pipeline which
            names one gives (the crop of a classifier after its resizing).

    Returns:
        Height and width in pixels.

    Raises:
        ValueError: If the config gives no size.
    """
    size = (cfg.model.get("data_preprocessor") or {}).get("size")
    if size is not None:
        height, width = size
        return height, width
    dataset = (cfg.get("test_dataloader") or {}).get("dataset", {})
    for step in reversed(dataset.get("pipeline", ())):
        for key, width_first in SIZE_KEYS.items():
            if key in step:
                size = step[key]
                first, second = (size, size) if isinstance(size, int) else size
                return (second, first) if width_first else (first, second)
    raise ValueError(
        "the config gives no input size: neither does its test pipeline have a step "
        f"with one of {list(SIZE_KEYS)} nor its data preprocessor a 'size'"
    )
