"""Generated people: MMPose reads them, and labels say what the pictures show."""

import json

import numpy as np
import pytest
from mmpose.datasets import CocoDataset, MpiiDataset
from mmpose.datasets.transforms import (
    GetBBoxCenterScale,
    LoadImage,
    PackPoseInputs,
    TopdownAffine,
)
from mmpose.evaluation import CocoMetric, MpiiPCKAccuracy
from scipy.io import loadmat

from sample_data import coco, crowd, make_coco, make_mpii, people

TRAIN, VAL = 2, 8
ANNOTATIONS = "annotations/person_keypoints_val2017.json"


@pytest.fixture(scope="module")
def coco_folder(tmp_path_factory):
    return make_coco(tmp_path_factory.mktemp("coco"), TRAIN, VAL, quiet=True)


@pytest.fixture(scope="module")
def mpii_folder(tmp_path_factory):
    return make_mpii(tmp_path_factory.mktemp("mpii"), TRAIN, VAL, quiet=True)


@pytest.fixture(scope="module")
def crowds():
    """Thirty pictures with their people."""
    return [crowd.draw_crowd(np.random.default_rng(seed)) for seed in range(30)]


# ---------------------------------------------------------------- the pictures


@pytest.mark.parametrize("pose", people.POSES)
def test_left_is_on_the_right_of_the_image_when_facing_the_viewer(pose):
    for seed in range(5):
        for yaw, sign in ((0, 1), (180, -1)):
            rng = np.random.default_rng(seed)
            figure = people.sample_figure(rng, (0, 0), 100, pose, yaw)
            for joint in ("shoulder", "hip"):
                left, right = (figure.joints[f"{s}_{joint}"] for s in ("left", "right"))
                assert sign * (left[0] - right[0]) > 0


def test_visibility_says_what_the_picture_shows(crowds):
    """2: on the person; 0: outside or on the far side of the head; else 1."""
    counted = np.zeros(3)
    for image, views in crowds:
        height, width = image.shape[:2]
        for view in views:
            for name in coco.KEYPOINTS:
                x, y = np.round(view.figure.joints[name][:2]).astype(int)
                inside = 0 <= x < width and 0 <= y < height
                flag = view.flags[name]
                counted[flag] += 1
                if flag == 0:
                    assert not inside or not view.figure.faces_viewer(name)
                else:
                    assert inside
                if flag == 2:
                    assert view.mask[y, x]
    share = counted / counted.sum()
    assert share[2] > 0.5 and share.min() > 0.03


# ----------------------------------------------------------------------- COCO


CROP = TopdownAffine(input_size=(96, 128))
PIPELINE = [LoadImage(), GetBBoxCenterScale(), CROP, PackPoseInputs()]
READ = dict(test_mode=True, pipeline=PIPELINE)


def score(metric, dataset, shift):
    """Evaluate the truth, moved by some pixels, as if it were a prediction."""
    metric.dataset_meta = dataset.metainfo
    for item in dataset:
        sample = item["data_samples"]
        keypoints = sample.gt_instances.keypoints + shift
        result = sample.to_dict()
        scores = np.ones(keypoints.shape[:2])
        result["pred_instances"] = dict(keypoints=keypoints, keypoint_scores=scores)
        metric.process({}, [result])
    return metric.evaluate(len(dataset))


@pytest.mark.parametrize("shift, low, high", [(0.0, 0.999, 1), (30.0, 0, 0.1)])
def test_the_truth_scores_ap_1_and_far_points_do_not(coco_folder, shift, low, high):
    prefix = dict(img="val2017/")
    dataset = CocoDataset(
        ANNOTATIONS, data_root=str(coco_folder), data_prefix=prefix, **READ
    )
    assert dataset[0]["inputs"].shape == (3, 128, 96)
    metric = CocoMetric(ann_file=str(coco_folder / ANNOTATIONS))
    assert low <= score(metric, dataset, shift)["coco/AP"] <= high


# ----------------------------------------------------------------------- MPII


@pytest.mark.parametrize("shift, low, high", [(-1.0, 99.9, 100), (40.0, 0, 5)])
def test_the_truth_scores_pckh_100(mpii_folder, shift, low, high):
    dataset = MpiiDataset(
        data_root=str(mpii_folder),
        ann_file="annotations/mpii_val.json",
        headbox_file=str(mpii_folder / "annotations/mpii_gt_val.mat"),
        data_prefix=dict(img="images/"),
        **READ,
    )
    # MMPose adds 1 to predictions: MPII counts pixels from 1.
    assert low <= score(MpiiPCKAccuracy(), dataset, shift)["PCK"] <= high


@pytest.mark.parametrize("counts", [(0, 1), (1, 0)])
def test_one_part_may_be_empty(counts, tmp_path):
    make_mpii(tmp_path, *counts, quiet=True)
    for split, count in zip(("train", "val"), counts, strict=True):
        found = json.loads((tmp_path / f"annotations/mpii_{split}.json").read_text())
        assert bool(found) == bool(count)
    truth = loadmat(str(tmp_path / "annotations/mpii_gt_val.mat"))
    assert truth["headboxes_src"].shape == (2, 2, len(found))
