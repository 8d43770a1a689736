"""Checked datasets inside the datasets that mix others, which pack samples later."""

import cv2
import numpy as np
import pytest
from mmengine.registry import DATASETS, DefaultScope

from mmlitehrnet.datasets.faults import DataError
from tests.robustness.recipes import make_data

CODEC = dict(type="MSRAHeatmap", input_size=(48, 64), heatmap_size=(12, 16), sigma=1)
LOAD = dict(type="LoadImage")
POSE = [
    dict(type="GetBBoxCenterScale"),
    dict(type="TopdownAffine", input_size=(48, 64)),
    dict(type="GenerateTarget", encoder=CODEC),
    dict(type="PackPoseInputs"),
]
SEG = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]


@pytest.fixture
def people(tmp_path):
    return make_data("pose", tmp_path / "coco", 2, 1)


@pytest.fixture
def streets(tmp_path):
    return make_data("seg", tmp_path / "cityscapes", 2, 1)


def combined(folder, inner, outer):
    """One set of people in MMPose's CombinedDataset."""
    one = dict(
        type="CheckedCocoDataset",
        data_root=str(folder),
        ann_file="annotations/person_keypoints_train2017.json",
        data_prefix=dict(img="train2017/"),
        pipeline=inner,
    )
    coco = dict(from_file="configs/_base_/datasets/coco.py")
    cfg = dict(type="CombinedDataset", metainfo=coco, datasets=[one], pipeline=outer)
    with DefaultScope.overwrite_default_scope("mmpose"):
        return DATASETS.build(cfg)


def mosaic(folder):
    """Streets in MMSegmentation's MultiImageMixDataset, four in one."""
    one = dict(
        type="CheckedCityscapesDataset",
        data_root=str(folder),
        data_prefix=dict(img_path="leftImg8bit/train", seg_map_path="gtFine/train"),
        pipeline=SEG,
    )
    outer = [
        dict(type="RandomMosaic", prob=1.0, img_scale=(64, 128)),
        dict(type="PackSegInputs"),
    ]
    cfg = dict(type="MultiImageMixDataset", dataset=one, pipeline=outer)
    with DefaultScope.overwrite_default_scope("mmseg"):
        return DATASETS.build(cfg)


@pytest.mark.parametrize("loaded_inside", [False, True])
def test_people_are_combined(people, loaded_inside):
    inner, outer = ([LOAD], POSE) if loaded_inside else ([], [LOAD, *POSE])
    sample = combined(people, inner, outer)[0]
    assert sample["inputs"].shape == (3, 64, 48)
    assert sample["data_samples"].gt_fields.heatmaps.shape == (17, 16, 12)


def test_combined_people_are_checked(people):
    dataset = combined(people, [LOAD], POSE)
    for path in (people / "train2017").iterdir():
        cv2.imwrite(str(path), np.zeros((7, 9, 3), np.uint8))
    with pytest.raises(DataError, match=r"train2017.* is of \(7, 9\) pixels"):
        dataset[0]


def test_streets_are_mixed(streets):
    sample = mosaic(streets)[0]
    assert sample["inputs"].shape == (3, 128, 256)
    assert sample["data_samples"].gt_sem_seg.data.shape == (1, 128, 256)


@pytest.mark.parametrize(
    "labels, message",
    [
        (np.full((64, 128), 77, np.uint8), r"ids \[77\] are no class"),
        (np.zeros((64, 99), np.uint8), "labels are of another size"),
    ],
)
def test_mixed_streets_are_checked(streets, labels, message):
    for path in (streets / "gtFine/train").rglob("*_labelTrainIds.png"):
        cv2.imwrite(str(path), labels)
    with pytest.raises(DataError, match=message):
        mosaic(streets)[0]
