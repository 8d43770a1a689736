"""Label image datasets that check labels. Imported with MMSegmentation's datasets."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import force_full_init
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset, CityscapesDataset
from mmseg.registry import DATASETS
from PIL import Image
from torch import Tensor

from .faults import DataError, check_image_file, errors_at, run_pipeline

#: Pillow's modes of images that hold one byte for each pixel.
LABEL_MODES = ("L", "P", "1")
#: How many label images are looked at before training, for what is worth a warning.
LOOKED_AT = 10


class _CheckedLabels(BaseSegDataset):
    """Checks files when they are listed, and labels as they come out of the pipeline.

    What is trained on or evaluated is a class of the dataset or void.

    Raises:
        DataError: If there are no images or not all label images, one of them is
            broken, of another kind or size than its counterpart, or holds an id that
            is no class.
    """

    def load_data_list(self) -> list[dict]:
        """List the images, and see that each one has its labels."""
        folder = self.data_prefix.get("img_path")
        with errors_at(f"{self.ann_file or folder}"):
            samples = super().load_data_list()
        if not samples:
            raise DataError(
                f"{folder}: there is no image *{self.img_suffix} in it; img_suffix "
                f"says how their names end{_names(folder)}"
            )
        paths = [info["seg_map_path"] for info in samples if "seg_map_path" in info]
        paths = [path for path in paths if "://" not in path]
        lost = [path for path in paths if not Path(path).exists()]
        if lost:
            raise DataError(
                f"{lost[0]}: FileNotFoundError: the labels of an image are missing "
                f"({len(lost)} of {len(paths)}); seg_map_suffix says "
                f"how their names end{_names(self.data_prefix['seg_map_path'])}"
            )
        self._warn_of_masks(paths[:LOOKED_AT])
        return samples

    def _warn_of_masks(self, paths: list[str]) -> None:
        """Say that masks of 0 and 255, as drawing tools write them, have one class."""
        found = set()
        for path in paths:
            check_label_file(path)
            with errors_at(path), Image.open(path) as image:
                found.update(np.unique(np.asarray(image)).tolist())
        if found == {0, 255} and self.ignore_index == 255:
            text = (
                f"{paths[0]} and the label images behind it hold 0 and 255 alone: 255 "
                "is void; if it is to be a class, write 1 there"
            )
            print_log(text, "current", logging.WARNING)

    @force_full_init
    def prepare_data(self, idx: int) -> Any:
        """Load and transform a sample, and check its labels."""
        info = self.get_data_info(idx)
        labels = info.get("seg_map_path")
        if labels is not None:
            check_label_file(labels)
        place = " with ".join(filter(None, [info["img_path"], labels]))
        sample = run_pipeline(self.pipeline, info, place)
        packed = (sample or {}).get("data_samples", sample or {})
        if isinstance(packed, dict):  # Datasets that mix others pack later.
            found, image_size = packed.get("gt_seg_map"), packed.get("img_shape", ())
        elif "gt_sem_seg" in packed:
            found, image_size = packed.gt_sem_seg.data, sample["inputs"].shape[-2:]
        else:  # No labels, or the several samples of test-time augmentation.
            found = None
        if found is not None:
            # In validation, labels may be loaded after the image was resized.
            sizes = {tuple(image_size[:2]), tuple(packed.get("ori_shape", ())[:2])}
            self._check_labels(torch.as_tensor(found), sizes, info, labels)
        return sample

    def _check_labels(
        self, found: Tensor, expected: set, info: dict, path: str
    ) -> None:
        size = tuple(found.shape[-2:])
        if size not in expected:
            raise DataError(
                f"{path}: the labels are of another size than {info['img_path']}: "
                f"{size} (height, width) where the image has {sorted(expected)}"
            )
        classes = len(self.metainfo["classes"])
        bad = (found != self.ignore_index) & ((found < 0) | (found >= classes))
        if bad.any():
            ids = torch.unique(found[bad]).tolist()
            raise DataError(
                f"{path}: ids {ids} are no class: 0 to {classes - 1}, or "
                f"{self.ignore_index} for void, are allowed"
            )


@DATASETS.register_module()
class CheckedSegDataset(_CheckedLabels):
    """MMSegmentation's ``BaseSegDataset``, for classes of one's own (``metainfo``)."""


@DATASETS.register_module()
class CheckedCityscapesDataset(_CheckedLabels, CityscapesDataset):
    """MMSegmentation's ``CityscapesDataset``; bad data stops with an error."""


def _names(folder: str) -> str:
    """Give an example of the names in a folder."""
    files = (path.name for path in Path(folder).rglob("*.*"))
    name = next(files, None)
    return f", there is {name}" if name else ""


def check_label_file(path: str) -> None:
    """Check that a file is an image of one byte for each pixel.

    Raises:
        DataError: If it is not; more bytes would be cut off without a word.
    """
    check_image_file(path)
    if "://" in path:
        return
    with errors_at(path), Image.open(path) as image:
        if image.mode not in LABEL_MODES:
            raise DataError(
                f"{path}: labels must be one byte for each pixel (mode L or P), the "
                f"image is of mode {image.mode}"
            )
