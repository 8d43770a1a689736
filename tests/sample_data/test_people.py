"""Generated people: MMPose reads them, and labels say what the pictures show."""

import json

import cv2
import numpy as np
import pytest

from sample_data import coco, crowd, make_coco, make_mpii, mpii, people

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


def pipeline():
    from mmpose.datasets.transforms import (
        GetBBoxCenterScale,
        LoadImage,
        PackPoseInputs,
        TopdownAffine,
    )

    affine = TopdownAffine(input_size=(96, 128))
    return [LoadImage(), GetBBoxCenterScale(), affine, PackPoseInputs()]


def score(metric, dataset, shift=0.0):
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


def coco_dataset(folder, **kwargs):
    from mmpose.datasets import CocoDataset

    return CocoDataset(
        data_root=str(folder),
        ann_file=ANNOTATIONS,
        data_prefix=dict(img="val2017/"),
        test_mode=True,
        pipeline=pipeline(),
        **kwargs,
    )


@pytest.mark.parametrize("shift, low, high", [(0.0, 0.999, 1), (30.0, 0, 0.1)])
def test_the_truth_scores_ap_1_and_far_points_do_not(coco_folder, shift, low, high):
    from mmpose.evaluation import CocoMetric

    dataset = coco_dataset(coco_folder)
    assert dataset[0]["inputs"].shape == (3, 128, 96)
    metric = CocoMetric(ann_file=str(coco_folder / ANNOTATIONS))
    assert low <= score(metric, dataset, shift)["coco/AP"] <= high


def test_annotations_agree_with_each_other(coco_folder):
    from pycocotools import mask
    from pycocotools.coco import COCO

    truth = COCO(str(coco_folder / ANNOTATIONS))
    assert len(truth.getImgIds()) == VAL
    (category,) = truth.loadCats(truth.getCatIds())
    assert len(category["keypoints"]) == 17
    for annotation in truth.loadAnns(truth.getAnnIds()):
        image = truth.imgs[annotation["image_id"]]
        picture = cv2.imread(str(coco_folder / "val2017" / image["file_name"]))
        assert picture.shape == (image["height"], image["width"], 3)
        x, y, width, height = annotation["bbox"]
        assert 0 <= x and x + width <= image["width"]
        assert 0 <= y and y + height <= image["height"]
        keypoints = np.reshape(annotation["keypoints"], (17, 3))
        assert annotation["num_keypoints"] == np.count_nonzero(keypoints[:, 2])
        assert not keypoints[keypoints[:, 2] == 0].any()
        shown = keypoints[keypoints[:, 2] == 2, :2]
        assert ((shown >= [x, y]) & (shown < [x + width, y + height])).all()
        polygons = [np.array(line) for line in annotation["segmentation"]]
        runs = mask.frPyObjects(polygons, image["height"], image["width"])
        # The outline runs through the centres of the border's pixels.
        area = float(mask.area(mask.merge(runs)))
        assert area == pytest.approx(annotation["area"], rel=0.35, abs=60)


def test_detections_cover_the_people(coco_folder):
    from pycocotools import mask

    boxes = str(coco_folder / coco.DETECTIONS)
    found = json.loads((coco_folder / coco.DETECTIONS).read_text())
    people_in = json.loads((coco_folder / ANNOTATIONS).read_text())["annotations"]
    assert len(coco_dataset(coco_folder, bbox_file=boxes)) >= len(people_in)
    assert all(0 < row["score"] <= 1 and min(row["bbox"][2:]) > 0 for row in found)
    for person in people_in:
        near = [r["bbox"] for r in found if r["image_id"] == person["image_id"]]
        assert mask.iou(np.array(near), np.array([person["bbox"]]), [0]).max() > 0.6


# ----------------------------------------------------------------------- MPII


@pytest.mark.parametrize("shift, low, high", [(-1.0, 99.9, 100), (40.0, 0, 5)])
def test_the_truth_scores_pckh_100(mpii_folder, shift, low, high):
    from mmpose.datasets import MpiiDataset
    from mmpose.evaluation import MpiiPCKAccuracy

    dataset = MpiiDataset(
        data_root=str(mpii_folder),
        ann_file="annotations/mpii_val.json",
        headbox_file=str(mpii_folder / "annotations/mpii_gt_val.mat"),
        data_prefix=dict(img="images/"),
        test_mode=True,
        pipeline=pipeline(),
    )
    # MMPose adds 1 to predictions: MPII counts pixels from 1.
    assert low <= score(MpiiPCKAccuracy(), dataset, shift)["PCK"] <= high


@pytest.mark.parametrize("counts", [(0, 1), (1, 0), (1, 1)])
def test_mpii_has_the_fields_of_mpii(counts, tmp_path):
    from scipy.io import loadmat

    make_mpii(tmp_path, *counts, quiet=True)
    for split, count in zip(("train", "val"), counts, strict=True):
        found = json.loads((tmp_path / f"annotations/mpii_{split}.json").read_text())
        assert bool(found) == bool(count)
        for person in found:
            assert set(person) == {"joints_vis", "joints", "image", "scale", "center"}
            joints, known = np.array(person["joints"]), np.array(person["joints_vis"])
            assert joints.shape == (16, 2) and (joints[known == 0] == -1).all()
            picture = cv2.imread(str(tmp_path / "images" / person["image"]))
            limits = (picture.shape[1] + 1, picture.shape[0] + 1)
            assert ((joints[known == 1] > 0) & (joints[known == 1] < limits)).all()
    truth = loadmat(str(tmp_path / "annotations/mpii_gt_val.mat"))
    assert truth["pos_gt_src"].shape == (16, 2, len(found))
    assert truth["headboxes_src"].shape == (2, 2, len(found))
    names = [str(name[0]) for name in truth["dataset_joints"][0]]
    assert names == list(mpii.JOINTS.values())
