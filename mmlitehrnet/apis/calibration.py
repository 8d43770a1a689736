"""Images that a quantised network's ranges of values are found on."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, init_default_scope
from torch import Tensor, nn

from ..models.backbones.arguments import check_count


@torch.no_grad()
def calibration_images(config: Config, model: nn.Module, count: int) -> Tensor:
    """Read images as a model sees them in validation.

    Args:
        config: A config of MMPose or MMSegmentation.
        model: Its model, whose data preprocessor normalises the images.
        count: How many, evenly spread over the dataset of ``val_dataloader``; all, if
            it has fewer.

    Returns:
        Normalised images (N, C, H, W).

    Raises:
        TypeError: If ``count`` is no integer.
        ValueError: If it is not positive, or the dataset cannot be read or holds
            images of several sizes.
    """
    check_count("the number of images to calibrate on", count)
    init_default_scope(config.get("default_scope", "mmpose"))
    where = f"config {config.filename}: val_dataloader.dataset"
    try:
        dataset = DATASETS.build(copy.deepcopy(config.val_dataloader.dataset))
        spread = np.linspace(0, len(dataset) - 1, min(count, len(dataset)))
        samples = [dataset[int(k)] for k in spread]
    except Exception as error:  # Whatever a dataset does without its files.
        raise ValueError(
            f"{where}, whose images are to calibrate on, cannot be read: "
            f"{type(error).__name__}: {error}; another place is given by "
            "--cfg-options val_dataloader.dataset.data_root=..."
        ) from error
    preprocess: Any = model.data_preprocessor
    images = [
        preprocess(pseudo_collate([sample]), False)["inputs"] for sample in samples
    ]
    sizes = sorted({tuple(image.shape[2:]) for image in images})
    if len(sizes) != 1:
        raise ValueError(
            f"{where} must hold images of one size to calibrate on, found {sizes}"
        )
    return torch.cat(images)
