"""Checked datasets inside the datasets that mix others, which pack samples later."""

import cv2
import numpy as np
import pytest
from mmengine.registry import DATASETS, DefaultScope

from mmlitehrnet.datasets.faults import DataError
from tests.robustness.recipes import make_data, small_config


def combined(folder, loaded_inside):
    """One set of people in MMPose's CombinedDataset."""
    one = small_config("pose", folder).train_dataloader.dataset
    load, *steps = one.pipeline
    inner, outer = ([load], steps) if loaded_inside else ([], [load, *steps])
    coco = dict(from_file="configs/_base_/datasets/coco.py")
    one = dict(one, pipeline=inner)
    cfg = dict(type="CombinedDataset", metainfo=coco, datasets=[one], pipeline=outer)
    with DefaultScope.overwrite_default_scope("mmpose"):
        return DATASETS.build(cfg)


def mosaic(folder):
    """Streets in MMSegmentation's MultiImageMixDataset, four in one."""
    one = small_config("seg", folder).train_dataloader.dataset
    one.pipeline = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]
    mix = dict(type="RandomMosaic", prob=1.0, img_scale=(64, 128))
    outer = [mix, dict(type="PackSegInputs")]
    cfg = dict(type="MultiImageMixDataset", dataset=one, pipeline=outer)
    with DefaultScope.overwrite_default_scope("mmseg"):
        return DATASETS.build(cfg)


@pytest.mark.parametrize("loaded_inside", [False, True])
def test_people_are_combined(tmp_path, loaded_inside):
    people = make_data("pose", tmp_path / "coco", 2, 1)
    dataset = combined(people, loaded_inside)
    sample = dataset[0]
    assert sample["inputs"].shape == (3, 64, 64)
    assert sample["data_samples"].gt_fields.heatmaps.shape == (17, 16, 16)
    if loaded_inside:
        for path in (people / "train2017").iterdir():
            cv2.imwrite(str(path), np.zeros((7, 9, 3), np.uint8))
        with pytest.raises(DataError, match=r"train2017.* is of \(7, 9\) pixels"):
            dataset[0]


def test_streets_are_mixed(tmp_path):
    streets = make_data("seg", tmp_path / "cityscapes", 2, 1)
    dataset = mosaic(streets)
    sample = dataset[0]
    assert sample["inputs"].shape == (3, 128, 256)
    assert sample["data_samples"].gt_sem_seg.data.shape == (1, 128, 256)
    for labels, message in (
        (np.full((64, 128), 77, np.uint8), r"ids \[77\] are no class"),
        (np.zeros((64, 99), np.uint8), "labels are of another size"),
    ):
        for path in (streets / "gtFine/train").rglob("*_labelTrainIds.png"):
            cv2.imwrite(str(path), labels)
        with pytest.raises(DataError, match=message):
            dataset[0]
