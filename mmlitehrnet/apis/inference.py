"""Inference with the Inferencers of MMPose and MMSegmentation.

They build the model and its pipeline, predict and draw. What stands around that here:
checkpoints are read weights-only and must fit the config, images are read once, as the
pipeline says, results are named after their inputs, and no input is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from mmengine.config import Config
from torch import nn

from .media import Medium, MediumError, loading_step

if TYPE_CHECKING:
    from .pose import PoseInferencer
    from .seg import SegInferencer

#: Subfolders for drawings and for results, named as MMPose's Inferencer names them.
DRAWINGS, RESULTS = "visualizations", "predictions"


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
    # Each needs a library that need not be installed.
    if scope == "mmpose":
        from .pose import PoseInferencer

        return PoseInferencer(config, checkpoint, **options)
    if scope == "mmseg":
        from .seg import SegInferencer

        return SegInferencer(config, checkpoint, **options)
    raise ValueError(
        f"config {config.filename} has default_scope={scope!r}; a pose estimator's "
        "('mmpose') or a segmentor's ('mmseg') is needed"
    )


def result_of(
    inferencer: PoseInferencer | SegInferencer, medium: Medium, out: Path
) -> Path:
    """Name the file of results: once it is there, an image or video is done.

    A segmentor's labels of a video go to a folder of that name, without the suffix, and
    the file is never there.
    """
    return out / RESULTS / f"{medium.stem}{inferencer.suffix}"


def predict(
    inferencer: PoseInferencer | SegInferencer, medium: Medium, out: Path
) -> Iterator[Any]:
    """Predict on one image, video or stream, draw and save.

    Args:
        inferencer: The Inferencer.
        medium: The image or video.
        out: Folder for ``visualizations/`` and ``predictions/``.

    Yields:
        What was found in each frame.

    Raises:
        MediumError: If the image or video cannot be read, its drawing cannot be
            written, it has not the network's channels, or it lies where results go.
    """
    for folder in (out / DRAWINGS, out / RESULTS):
        inside = medium.path.resolve().is_relative_to(folder.resolve())
        if inside and medium.source is None:
            raise MediumError(
                f"{medium.path} is in {folder}, where results go: it could be "
                "overwritten; write to another folder"
            )
    result = result_of(inferencer, medium, out)
    result.parent.mkdir(parents=True, exist_ok=True)
    result.unlink(missing_ok=True)
    video = medium.kind != "image"
    step = loading_step(inferencer.pipeline)
    # A stream ends when it is interrupted, and what was found is kept.
    ends = (KeyboardInterrupt, GeneratorExit) if medium.kind == "stream" else ()
    with (
        # The result comes last: where it is, the drawing is whole.
        inferencer.saver(result, video) as save,
        _drawer(medium, out / DRAWINGS) as draw,
        suppress(*ends),
    ):
        for image in medium.frames(step):
            try:
                drawn, found = inferencer.look(image, medium)
            except Exception as error:  # Any layer may find out.
                layers = inferencer.model.modules()
                wanted = next(x.in_channels for x in layers if isinstance(x, nn.Conv2d))
                channels = image.shape[2] if image.ndim == 3 else 1
                if channels == wanted:
                    raise
                raise MediumError(
                    f"{medium.place} has {channels} channel(s), loaded with "
                    f"color_type={step.color_type!r}; the network takes {wanted}"
                ) from error
            draw(drawn)
            save(found)
            yield found


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
            fps = medium.says(cv2.CAP_PROP_FPS, 25)
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
