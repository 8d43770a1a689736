"""Keypoint datasets that check annotations. Imported with MMPose's datasets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dataset import force_full_init
from mmengine.fileio import get_text, join_path
from mmengine.logging import print_log
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.datasets.datasets.body import CocoDataset, MpiiDataset
from mmpose.registry import DATASETS

from .faults import DataError, errors_at, run_pipeline
from .rules import coco_faults, find_faults, metainfo_faults, refuse

#: Why an annotation gives no sample -> whether it is so, of a person as MMPose has it.
LEFT_OUT: dict[str, Callable[[dict], Any]] = {
    "iscrowd is 1": lambda person: person.get("iscrowd"),
    "no keypoint is labelled (all flags are 0)": (
        lambda person: not person["keypoints_visible"].any()
    ),
    "bbox has no size inside the image": (
        lambda person: (person["bbox"][..., 2:] <= person["bbox"][..., :2]).any()
    ),
}


class _CheckedPersons(BaseCocoStyleDataset):
    """Checks what annotation files hold, and names a sample in its errors.

    Raises:
        DataError: If the metainfo, an annotation file or a file of detections breaks a
            rule of :mod:`.rules`, cannot be read or gives nobody, or an image is broken
            or of another size than annotated.
    """

    #: Reason -> how many annotations give no sample for it.
    left_out: Counter

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        """Check the description of the keypoints, and read it as MMPose does."""
        described = metainfo or cls.METAINFO
        file = described.get("from_file")
        if file and Path(file).is_file():
            described = Config.fromfile(file).dataset_info
        if not file or Path(file).is_file():  # Others are MMPose's own.
            refuse(metainfo_faults(f"metainfo of {file or cls.__name__}", described))
        return super()._load_metainfo(metainfo)

    def load_data_list(self) -> list[dict]:
        """Read the persons, and say how many are left out and why."""
        files = " with ".join(filter(None, [self.ann_file, self.bbox_file]))
        self.left_out = Counter()
        with errors_at(files):
            persons = super().load_data_list()
        reasons = "; ".join(f"{why}: {n}" for why, n in self.left_out.items())
        if not persons:
            raise DataError(
                f"{files}: there is nobody in it to train on or to evaluate; left out "
                f"are: {reasons or 'none'}"
            )
        if reasons:
            text = f"{files}: {len(persons)} samples; left out are: {reasons}"
            print_log(text, "current")
        return persons

    def _get_topdown_data_infos(self, instance_list: list[dict]) -> list[dict]:
        """Leave out who cannot be used, and count them."""
        reasons = [
            next((why for why, applies in LEFT_OUT.items() if applies(person)), None)
            for person in instance_list
        ]
        self.left_out.update(why for why in reasons if why)
        return [person for person, why in zip(instance_list, reasons) if not why]

    @force_full_init
    def prepare_data(self, idx: int) -> Any:
        """Load and transform a sample, as MMPose does."""
        info = self.get_data_info(idx)
        info["dataset"] = self
        annotated = info.get("annotated_shape", info.get("img_shape"))
        place = f"annotation {info.get('id')} of {info.get('img_path')}"
        sample = run_pipeline(self.pipeline, info, place)
        # Datasets that mix others pack later: their pipelines end in a dict.
        packed = sample and sample.get("data_samples", sample)
        found = packed.get("ori_shape") if packed else None
        if annotated and found and tuple(annotated) != tuple(found):
            raise DataError(
                f"{info['img_path']}: the image is of {found} pixels (height, width), "
                f"{self.ann_file} says {tuple(annotated)}"
            )
        return sample


@DATASETS.register_module()
class CheckedCocoDataset(_CheckedPersons, CocoDataset):
    """MMPose's ``CocoDataset``; bad data stops with an error that names it.

    A keypoint is labelled where its flag is above 0, and nowhere else. Detected boxes
    count where their category is one that keypoints are annotated for.
    """

    def _read(self) -> dict:
        content = json.loads(get_text(self.ann_file))
        if self.bbox_file and isinstance(content, dict):  # as of a test set
            content.setdefault("annotations", [])
        count = self.metainfo["num_keypoints"]
        refuse(coco_faults(self.ann_file, content, count, self.test_mode))
        self._metainfo["CLASSES"] = content["categories"]
        return content

    def _load_annotations(self) -> tuple[list[dict], list[dict]]:
        """Check the file, and read the persons and the images as MMPose does."""
        content = self._read()
        images = {image["id"] for image in content["images"]}
        self.left_out.update(
            "image_id is of no image of the file"
            for annotation in content["annotations"]
            if annotation["image_id"] not in images
        )
        return super()._load_annotations()

    def parse_data_info(self, raw_data_info: dict) -> dict | None:
        """Read one person; None without a box or keypoints."""
        image = raw_data_info["raw_img_info"]
        person = super().parse_data_info(raw_data_info)
        if person is None:
            self.left_out["there is no bbox or no keypoints"] += 1
        else:
            person["annotated_shape"] = image["height"], image["width"]
        return person

    def _load_detection_results(self) -> list[dict]:
        """Read the detected boxes, with their categories."""
        content, detections = self._read(), json.loads(get_text(self.bbox_file))
        images = {image["id"]: image for image in content["images"]}
        known = dict(images=images, ann_file=self.ann_file)
        refuse(find_faults(self.bbox_file, "detection", detections, **known))
        wanted = {a["category_id"] for a in content["annotations"]} or {1}
        count, boxes = self.metainfo["num_keypoints"], []
        for number, found in enumerate(detections):
            image, (x, y, width, height) = images[found["image_id"]], found["bbox"]
            if found["category_id"] not in wanted:
                why = f"the category_id of a detection is none of {sorted(wanted)}"
                self.left_out[why] += 1
                continue
            boxes.append(
                dict(
                    id=number,
                    img_id=found["image_id"],
                    img_path=join_path(self.data_prefix["img"], image["file_name"]),
                    img_shape=(image["height"], image["width"]),
                    category_id=found["category_id"],
                    bbox=np.array([[x, y, x + width, y + height]], np.float32),
                    bbox_score=np.array([found["score"]], np.float32),
                    # Nobody knows the keypoints.
                    keypoints=np.zeros((1, count, 2), np.float32),
                    keypoints_visible=np.ones((1, count), np.float32),
                )
            )
        return boxes


@DATASETS.register_module()
class CheckedMpiiDataset(_CheckedPersons, MpiiDataset):
    """MMPose's ``MpiiDataset``; bad data stops with an error that names it.

    The file counts pixels from 1. Keypoints to train on count from 0 here, as boxes and
    the released code's keypoints do; MMPose leaves them one pixel off. In ``test_mode``
    they stay as in the file, with which ``MpiiPCKAccuracy`` compares.
    """

    def _load_annotations(self) -> tuple[list[dict], list[dict]]:
        """Check the persons and read them."""
        people = json.loads(get_text(self.ann_file))
        known = dict(keypoints=self.metainfo["num_keypoints"])
        refuse(find_faults(self.ann_file, "person", people, **known))
        persons, images = super()._load_annotations()
        if not self.test_mode:
            for person in persons:
                person["keypoints"] = person["keypoints"] - 1
        return persons, images
