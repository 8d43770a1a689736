"""Predict on images and videos, and save pictures and results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2

from .media import (
    Medium,
    MediumError,
    VideoWriter,
    open_video,
    read_image,
    read_video,
)
from .predictors import PosePredictor, SegPredictor, with_suffix

#: Subfolders for drawings and for results.
PICTURES, RESULTS = "pictures", "results"
DEFAULT_FPS = 25


def predict(
    predictor: PosePredictor | SegPredictor,
    medium: Medium,
    out: Path,
    advance: Callable[[], Any] = lambda: None,
) -> None:
    """Predict on one image or video.

    Args:
        predictor: Who predicts.
        medium: The image or video.
        out: Folder for ``pictures/`` and ``results/``.
        advance: Called after each frame.

    Raises:
        MediumError: If the image or video cannot be read, or its drawing or
            result would replace it.
    """
    suffix = {"image": ".jpg", "video": ".mp4"}[medium.kind]
    picture = out / PICTURES / f"{medium.stem}{suffix}"
    result = out / RESULTS / medium.stem
    for path in (picture, with_suffix(result, predictor.suffix)):
        if path.resolve() == medium.path.resolve():
            raise MediumError(f"{path} is the input: write to another folder")
    for path in (picture, result):
        path.parent.mkdir(parents=True, exist_ok=True)
    _ONE[medium.kind](predictor, medium, picture, result, advance)


def _predict_image(predictor, medium, picture, result, advance) -> None:
    drawn, found = predictor(read_image(medium.path))
    data = cv2.imencode(picture.suffix, drawn, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    picture.write_bytes(data.tobytes())
    predictor.save(found, result)
    advance()


def _predict_video(predictor, medium, picture, result, advance) -> None:
    fps = open_video(medium.path).fps or DEFAULT_FPS

    def results(writer: VideoWriter) -> Iterator[Any]:
        for frame in read_video(medium.path):
            drawn, found = predictor(frame)
            writer.write(drawn)
            yield found
            advance()

    with VideoWriter(picture, fps) as writer:
        predictor.save_video(results(writer), result)


_ONE = {"image": _predict_image, "video": _predict_video}
