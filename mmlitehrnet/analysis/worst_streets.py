"""Labelled images, rated by intersection over union."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from .case import Case
from .street_grid import VOID, colour, framed

#: Longer side of a drawn image in pixels.
SIDE = 480


def class_ious(truth: np.ndarray, found: np.ndarray, num_classes: int) -> np.ndarray:
    """Intersection over union of each class in one image.

    Args:
        truth: True labels (H, W); pixels of other values than classes do not count.
        found: Predicted labels (H, W).
        num_classes: Number of classes.

    Returns:
        IoU (num_classes,), NaN for classes that are in neither.
    """
    counted = truth < num_classes
    pairs = truth[counted].astype(int) * VOID + found[counted]
    table = np.bincount(pairs, minlength=VOID * VOID)[: VOID * VOID]
    table = table.reshape(VOID, VOID)[:num_classes]
    both = np.diagonal(table)
    either = table.sum(axis=1) + table.sum(axis=0)[:num_classes] - both
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)


def rate(config: Config, predictions: Path) -> list[Case]:
    """Rate every image of the test data set by its own mIoU.

    Args:
        config: Config of a segmentor.
        predictions: Folder of label images, ``NAME_OF_IMAGE.png``, as ``IoUMetric``
            (``mim test --out``) and tools/predict.py write them.

    Raises:
        FileNotFoundError: If predictions or labels are missing.
        ValueError: If a prediction is of another size than the labels.
    """
    from mmseg.registry import DATASETS

    if not predictions.is_dir():
        raise FileNotFoundError(f"{predictions}: there is no such folder")
    init_default_scope("mmseg")
    dataset = DATASETS.build(config.test_dataloader.dataset)
    if dataset.label_map is not None or dataset.reduce_zero_label:
        raise ValueError(
            "the data set renumbers its labels (reduce_zero_label, or classes of its "
            "own), which is not supported here"
        )
    classes, palette = (dataset.metainfo[key] for key in ("classes", "palette"))
    cases = []
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        image = Path(info["img_path"])
        files = [Path(info["seg_map_path"]), predictions / f"{image.stem}.png"]
        truth, found = map(_read_labels, files)
        if truth.shape != found.shape:
            raise ValueError(
                f"{files[1]} is {found.shape} pixels, the labels {files[0]} are "
                f"{truth.shape}"
            )
        ious = class_ious(truth, found, len(classes))
        present = ~np.isnan(ious)
        if present.any():
            details = dict(
                iou={name: float(v) for name, v in zip(classes, ious) if v == v}
            )
            draw = partial(_draw, image, *files, palette)
            cases.append(Case(image.name, float(ious[present].mean()), details, draw))
    return cases


def _read_labels(path: Path) -> np.ndarray:
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    if labels is None:
        raise FileNotFoundError(f"{path}: there is no such image")
    return labels


def _draw(image: Path, truth: Path, found: Path, palette: list) -> np.ndarray:
    labels = _read_labels(truth)
    seen = np.where(labels == VOID, VOID, _read_labels(found))
    cells = (cv2.imread(str(image)), colour(labels, palette), colour(seen, palette))
    zoom = SIDE / max(labels.shape)
    resized = [
        cv2.resize(cell, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
        for cell in cells
    ]
    return np.hstack([framed(cell) for cell in resized])
