"""Inference with the Inferencers of MMPose and MMSegmentation.

They build the model and its pipeline, predict and draw. What stands around that here:
checkpoints are read weights-only and must fit the config, images are read once, as the
pipeline says, results are named after their inputs, and no input is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import mmcv
import numpy as np
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
from .media import Medium, MediumError
from .model import network_from_config

if TYPE_CHECKING:
    from .pose import PoseInferencer
    from .seg import SegInferencer

#: Subfolders for drawings and for results, named as MMPose's Inferencer names them.
DRAWINGS, RESULTS = "visualizations", "predictions"


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


#: A config's ``default_scope`` -> module and class of the Inferencer. They are imported
#: when they are needed, since each needs a library that need not be installed.
INFERENCERS = {
    "mmpose": (".pose", "PoseInferencer"),
    "mmseg": (".seg", "SegInferencer"),
}


def open_inferencer(
    config: Config, checkpoint: str | Path, **options: Any
) -> PoseInferencer | SegInferencer:
    """Open the Inferencer that a config is for.

    Args:
        config: Config of a pose estimator or a segmentor.
        checkpoint: Weights of the model.
        **options: Further arguments of :class:`.pose.PoseInferencer` or
            :class:`.seg.SegInferencer`.

    Raises:
        ValueError: If the config is for another task, a model cannot be built, or a
            checkpoint is missing, holds more than data or does not fit.
    """
    scope = config.get("default_scope")
    if scope not in INFERENCERS:
        raise ValueError(
            f"config {config.filename} has default_scope={scope!r}; a pose estimator's "
            "('mmpose') or a segmentor's ('mmseg') is needed"
        )
    module, name = INFERENCERS[scope]
    return getattr(import_module(module, __package__), name)(
        config, checkpoint, **options
    )


def predict(
    inferencer: PoseInferencer | SegInferencer, medium: Medium, out: Path
) -> Iterator[None]:
    """Predict on one image or video, draw and save.

    Args:
        inferencer: The Inferencer.
        medium: The image or video.
        out: Folder for ``visualizations/`` and ``predictions/``.

    Yields:
        None, after each frame.

    Raises:
        MediumError: If the image or video cannot be read, its drawing cannot be
            written, it has not the network's channels, or it lies where results go.
    """
    for folder in (out / DRAWINGS, out / RESULTS):
        if medium.path.resolve().is_relative_to(folder.resolve()):
            raise MediumError(
                f"{medium.path} is in {folder}, where results go: it could be "
                "overwritten; write to another folder"
            )
    result = out / RESULTS / f"{medium.stem}{inferencer.suffix}"
    result.parent.mkdir(parents=True, exist_ok=True)
    result.unlink(missing_ok=True)
    video = medium.kind == "video"
    step = loading_step(inferencer.pipeline)
    with (
        _drawer(medium, out / DRAWINGS) as draw,
        inferencer.saver(result, video) as save,
    ):
        for image in medium.frames(step):
            try:
                drawn, found = inferencer.look(image)
            except Exception as error:  # Any layer may find out.
                layers = inferencer.model.modules()
                wanted = next(x.in_channels for x in layers if isinstance(x, nn.Conv2d))
                channels = image.shape[2] if image.ndim == 3 else 1
                if channels == wanted:
                    raise
                raise MediumError(
                    f"{medium.path} has {channels} channel(s), loaded with "
                    f"color_type={step.color_type!r}; the network takes {wanted}"
                ) from error
            draw(drawn)
            save(found)
            yield


@contextmanager
def _drawer(medium: Medium, folder: Path) -> Iterator[Callable[[np.ndarray], None]]:
    """Open the drawing of an image or video, for frames (H, W, 3), uint8, BGR."""
    image = medium.kind == "image"
    path = folder / (medium.path.name if image else f"{medium.stem}.mp4")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    writer = cv2.VideoWriter()

    def draw(frame: np.ndarray) -> None:
        if image:
            _write_image(path, frame)
            return
        if not writer.isOpened():
            fps = mmcv.VideoReader(str(medium.path)).fps
            code = cv2.VideoWriter.fourcc(*"mp4v")
            if not writer.open(str(path), code, fps, frame.shape[1::-1]):
                raise MediumError(f"{path} cannot be written as video")
        writer.write(np.ascontiguousarray(frame))

    try:
        yield draw
    finally:
        writer.release()


def _write_image(path: Path, image: np.ndarray) -> None:
    """Write an image, with .png behind its name where OpenCV only reads its format."""
    try:
        good, data = cv2.imencode(path.suffix, image)
    except cv2.error:
        good = False
    if good:
        path.write_bytes(data)
    else:
        _write_image(path.with_name(f"{path.name}.png"), image)
