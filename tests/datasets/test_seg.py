"""Classes of one's own are checked as Cityscapes' are."""

import logging

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, DefaultScope

from mmlitehrnet.datasets.faults import DataError

LABELS = np.tile(np.array([[0, 1], [2, 255]], np.uint8), (8, 8))


def build(folder, image=".jpg", labels=LABELS, name="a.png", **options):
    """A data set of one image; ``labels`` are saved under a name."""
    for part in ("images", "labels"):
        (folder / part).mkdir()
    cv2.imwrite(f"{folder}/images/a{image}", np.zeros((16, 16, 3), np.uint8))
    cv2.imwrite(f"{folder}/labels/{name}", labels)
    steps = ("LoadImageFromFile", "LoadAnnotations", "PackSegInputs")
    cfg = dict(
        type="CheckedSegDataset",
        data_root=str(folder),
        data_prefix=dict(img_path="images", seg_map_path="labels"),
        metainfo=dict(classes=("soil", "crop", "weed"), palette=[[0] * 3] * 3),
        pipeline=[dict(type=step) for step in steps],
        **options,
    )
    with DefaultScope.overwrite_default_scope("mmseg"):
        return DATASETS.build(cfg)


def test_good_labels_are_read(tmp_path):
    sample = build(tmp_path)[0]["data_samples"]
    assert sample.gt_sem_seg.data.unique().tolist() == [0, 1, 2, 255]


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(labels=LABELS + 3), r"labels/a\.png: ids \[3, 4, 5\] are no class: 0 to"),
        (dict(labels=LABELS[:9]), r"labels/a\.png: the labels are of another size"),
        (dict(labels=np.stack([LABELS] * 3, -1)), r"labels/a\.png: .*mode RGB"),
        (dict(image=".bmp"), r"images: .*no image \*\.jpg.*, there is a\.bmp"),
        (dict(name="a_mask.png"), r"labels/a\.png.*missing \(1 of 1\).* a_mask"),
    ],
)
def test_bad_labels_are_named(tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        build(tmp_path, **options)[0]


def test_masks_of_0_and_255_are_worth_a_warning(tmp_path, caplog):
    """As drawing tools write them: what is meant to be a class is void."""
    logger = MMLogger.get_instance("masks", log_level="INFO")
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        build(tmp_path, labels=np.where(LABELS == 1, 255, 0).astype(np.uint8))
    assert "hold 0 and 255 alone: 255 is void" in caplog.text
