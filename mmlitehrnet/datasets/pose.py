"""Keypoint datasets that check annotations. Imported with MMPose's datasets."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.dataset import force_full_init
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.datasets.datasets.body import CocoDataset, MpiiDataset
from mmpose.registry import DATASETS

from .faults import DataError, named, run_pipeline

#: What every person has, and the shape of it (K: number of keypoints).
FIELDS: dict[str, tuple[int | str, ...]] = {
    "bbox": (1, 4),
    "keypoints": (1, "K", 2),
    "keypoints_visible": (1, "K"),
}


class _CheckedPersons(BaseCocoStyleDataset):
    """Checks the persons when annotations are read, and names a sample in its errors.

    Raises:
        DataError: If an annotation file cannot be read or gives nobody, or a person's
            fields are of the wrong length, not finite, or an image is broken or of
            another size than annotated.
    """

    def load_data_list(self) -> list[dict]:
        """Read the persons and check them."""
        files = " with ".join(filter(None, [self.ann_file, self.bbox_file]))
        with named(files):
            persons = super().load_data_list()
        if not persons:
            raise DataError(
                f"{files}: there is nobody in it with a box of some size inside the "
                "image and a labelled keypoint"
            )
        for field, sizes in FIELDS.items():
            self._check_field(files, persons, field, sizes)
        return persons

    def _check_field(
        self, files: str, persons: list[dict], field: str, sizes: tuple[int | str, ...]
    ) -> None:
        count = self.metainfo["num_keypoints"]
        shape = tuple(count if size == "K" else size for size in sizes)
        for person in persons:
            if person[field].shape != shape:
                raise DataError(
                    f"{files}: {_place(person)}: {field} must have the shape {shape}, "
                    f"got {person[field].shape}"
                )
        values = np.stack([person[field] for person in persons]).astype(float)
        bad = ~np.isfinite(values)
        if field == "keypoints_visible":
            bad |= values < 0
        if field == "bbox":
            # Boxes of annotations without a size are left out; a detector's are not.
            bad |= (values[..., 2:] <= values[..., :2]).any(-1, keepdims=True)
        broken = np.flatnonzero(bad.reshape(len(persons), -1).any(1))
        if len(broken):
            person = persons[broken[0]]
            raise DataError(
                f"{files}: {_place(person)}: {field} is not usable: "
                f"{np.round(person[field][0], 2).tolist()} ({len(broken)} persons "
                "are like that)"
            )

    def parse_data_info(self, raw_data_info: dict) -> dict | None:
        """Read one person, naming the annotation if it cannot be read."""
        raw, image = raw_data_info["raw_ann_info"], raw_data_info["raw_img_info"]
        place = f"{self.ann_file}: annotation {raw.get('id')} of {image['img_path']}"
        with named(place):
            person = super().parse_data_info(raw_data_info)
            if person is not None:
                person["annotated_shape"] = (image["height"], image["width"])
        return person

    @force_full_init
    def prepare_data(self, idx: int) -> Any:
        """Load and transform a sample, as MMPose does."""
        info = self.get_data_info(idx)
        info["dataset"] = self
        annotated = info.get("annotated_shape", info.get("img_shape"))
        sample = run_pipeline(self.pipeline, info, _place(info))
        # Datasets that mix others pack later: their pipelines end in a dict.
        packed = sample and sample.get("data_samples", sample)
        found = packed.get("ori_shape") if packed else None
        if annotated and found and tuple(annotated) != tuple(found):
            raise DataError(
                f"{info['img_path']}: the image is of {found} pixels (height, width), "
                f"{self.ann_file} says {tuple(annotated)}"
            )
        return sample


def _place(person: dict) -> str:
    return f"annotation {person.get('id')} of {person.get('img_path')}"


@DATASETS.register_module()
class CheckedCocoDataset(_CheckedPersons, CocoDataset):
    """MMPose's ``CocoDataset``; bad data stops with an error that names it."""


@DATASETS.register_module()
class CheckedMpiiDataset(_CheckedPersons, MpiiDataset):
    """MMPose's ``MpiiDataset``; bad data stops with an error that names it.

    The file counts pixels from 1. Keypoints to train on count from 0 here, as boxes and
    the released code's keypoints do; MMPose leaves them one pixel off. In ``test_mode``
    they stay as in the file, with which ``MpiiPCKAccuracy`` compares.
    """

    def load_data_list(self) -> list[dict]:
        """Read the persons and check them."""
        persons = super().load_data_list()
        if not self.test_mode:
            for person in persons:
                person["keypoints"] = person["keypoints"] - 1
        return persons
