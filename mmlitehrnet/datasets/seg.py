"""Label image datasets that check labels. Imported with MMSegmentation's datasets."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dataset import force_full_init
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS
from PIL import Image
from torch import Tensor

from .faults import DataError, check_image_file, named, run_pipeline

#: Pillow's modes of images that hold one byte for each pixel.
LABEL_MODES = ("L", "P", "1")


@DATASETS.register_module()
class CheckedCityscapesDataset(CityscapesDataset):
    """MMSegmentation's ``CityscapesDataset``; bad data stops with an error naming it.

    Labels are checked as they come out of the pipeline: what is trained on or
    evaluated is a class of the dataset or void.

    Raises:
        DataError: If there are no images, an image or a label image is broken, of
            another kind or size than its counterpart, or holds an id that is no class.
    """

    def load_data_list(self) -> list[dict]:
        """List the images."""
        folder = self.data_prefix.get("img_path")
        with named(f"{self.ann_file or folder}"):
            samples = super().load_data_list()
        if not samples:
            raise DataError(f"{folder}: there is no image *{self.img_suffix} in it")
        return samples

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


def check_label_file(path: str) -> None:
    """Check that a file is an image of one byte for each pixel.

    Raises:
        DataError: If it is not; more bytes would be cut off without a word.
    """
    check_image_file(path)
    if "://" in path:
        return
    with named(path), Image.open(path) as image:
        if image.mode not in LABEL_MODES:
            raise DataError(
                f"{path}: labels must be one byte for each pixel (mode L or P), the "
                f"image is of mode {image.mode}"
            )
