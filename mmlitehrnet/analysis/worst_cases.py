"""The images on which a model does worst, drawn with what it should have seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from mmengine.config import Config

from . import worst_people, worst_streets
from .case import Case


class Rating(NamedTuple):
    """How the images of a task are rated.

    Attributes:
        rate: Rates all images by what the evaluation wrote.
        score: Name of the score.
        columns: What is drawn side by side.
    """

    rate: Callable[[Config, Path], list[Case]]
    score: str
    columns: str


#: A config's ``default_scope`` -> how its images are rated.
RATINGS = {
    "mmpose": Rating(
        worst_people.rate, "mean OKS", "truth; prediction, OKS of each person"
    ),
    "mmseg": Rating(worst_streets.rate, "mIoU", "image; truth; prediction"),
}
BORDER = 6
CAPTION = 26


class Worst(NamedTuple):
    """What :func:`draw_worst_cases` found.

    Attributes:
        cases: The images that were drawn, the worst first.
        num_images: Number of images that were rated.
        mean: Mean score over these.
        score: Name of the score.
    """

    cases: list[Case]
    num_images: int
    mean: float
    score: str


def draw_worst_cases(
    config: Config, predictions: str | Path, out: str | Path, number: int = 8
) -> Worst:
    """Draw the worst images of an evaluation, and list the scores of all.

    Args:
        config: Config whose test data set was evaluated.
        predictions: What the evaluation wrote: ``PREFIX.keypoints.json`` of MMPose's
            ``CocoMetric`` (``test_evaluator.outfile_prefix=PREFIX``), or the folder of
            label images of MMSegmentation's ``IoUMetric`` (``mim test --out``).
        out: Image file to write; the scores of all images go to the same name with
            ``.json``.
        number: Number of images to draw.

    Raises:
        FileNotFoundError: If the predictions or the truth are missing.
        ValueError: If they do not fit, the config is for another task, or ``out`` is
            no image file or would replace the predictions.
    """
    scope = config.get("default_scope")
    if scope not in RATINGS:
        raise ValueError(
            f"default_scope={scope!r}: a config of one of {list(RATINGS)} is needed"
        )
    if number < 1:
        raise ValueError(f"number={number}: at least one image must be asked for")
    out = Path(out)
    _check_out(out, Path(predictions))
    rating = RATINGS[scope]
    cases = sorted(rating.rate(config, Path(predictions)), key=lambda case: case.score)
    if not cases:
        raise ValueError("the test data set has no image with anything to rate")
    worst = cases[:number]
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        _captioned(
            case.draw(),
            f"{case.name}  {rating.score} {case.score:.3f}   ({rating.columns})",
        )
        for case in worst
    ]
    width = max(row.shape[1] for row in rows)
    rows = [
        cv2.copyMakeBorder(
            row, 0, BORDER, 0, width - row.shape[1], cv2.BORDER_CONSTANT,
            value=(255, 255, 255),
        )
        for row in rows
    ]  # fmt: skip
    if not cv2.imwrite(str(out), np.vstack(rows)):
        raise OSError(f"cannot write {out}")
    listed = [dict(image=c.name, score=c.score, **c.details) for c in cases]
    out.with_suffix(".json").write_text(json.dumps(listed, indent=1) + "\n")
    mean = float(np.mean([case.score for case in cases]))
    return Worst(worst, len(cases), mean, rating.score)


def _check_out(out: Path, predictions: Path) -> None:
    if not cv2.haveImageWriter(str(out)):
        raise ValueError(f"--out {out}: an image file is needed, as worst.png")
    for path in (out, out.with_suffix(".json")):
        # A file, or a folder of label images.
        if predictions.resolve() in (path.resolve(), path.resolve().parent):
            raise ValueError(
                f"--out {out}: {path} would be written over or among the predictions; "
                "give another name"
            )


def _captioned(image: np.ndarray, text: str) -> np.ndarray:
    image = cv2.copyMakeBorder(
        image, CAPTION, 0, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255)
    )
    return cv2.putText(
        image, text, (4, CAPTION - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1,
        cv2.LINE_AA,
    )  # fmt: skip
