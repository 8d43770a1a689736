"""A picture of streets with their true and predicted labels, side by side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.apis import inference_model, init_model
from mmseg.registry import DATASETS

from ..checkpoints import load_weights

GAP = 4
VOID = 255


def colour(labels: np.ndarray, palette: list[list[int]]) -> np.ndarray:
    """Paint a label map (H, W), void black, as BGR (H, W, 3)."""
    colours = np.zeros((VOID + 1, 3), np.uint8)
    colours[: len(palette)] = np.array(palette)[:, ::-1]
    return colours[labels]


def draw_street_grid(
    config: str | Path, checkpoint: str | Path, out: str | Path, num_images: int = 6
) -> None:
    """Draw images of a validation set: image, truth, prediction in each row.

    Pixels that the truth leaves void are black in the prediction too: they take no
    part in the score.

    Args:
        config: Config of a segmentor; its validation set gives the images.
        checkpoint: Weights of the segmentor.
        out: Image file to write.
        num_images: Number of images, taken evenly from the set.
    """
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    model = init_model(str(config), device=device)
    load_weights(model, checkpoint)
    cfg = Config.fromfile(config)
    init_default_scope(cfg.default_scope)
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    palette = dataset.metainfo["palette"]

    rows = []
    for index in np.linspace(0, len(dataset) - 1, num_images).astype(int):
        info = dataset.get_data_info(int(index))
        image = cv2.imread(info["img_path"])
        truth = cv2.imread(info["seg_map_path"], cv2.IMREAD_UNCHANGED)
        found = inference_model(model, info["img_path"]).pred_sem_seg.data[0]
        found = np.where(truth == VOID, VOID, found.cpu().numpy())
        cells = (image, colour(truth, palette), colour(found, palette))
        rows.append(np.hstack([framed(cell) for cell in cells]))
    cv2.imwrite(str(out), np.vstack(rows))


def framed(cell: np.ndarray) -> np.ndarray:
    """Put white on the right of an image and below it."""
    return cv2.copyMakeBorder(
        cell, 0, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255)
    )
