"""Generated people: format, truth of the labels, reproducibility, errors."""

import hashlib
import json

import cv2
import numpy as np
import pytest

from mmlitehrnet.sample_data import (
    coco,
    crowd,
    drawing,
    make_cityscapes,
    make_coco,
    make_imagenet,
    make_mpii,
    mpii,
    output,
    people,
)
from tests.tools import load_tool

TRAIN, VAL = 3, 6


@pytest.fixture(scope="module")
def coco_folder(tmp_path_factory):
    return make_coco(tmp_path_factory.mktemp("coco"), TRAIN, VAL, quiet=True)


@pytest.fixture(scope="module")
def mpii_folder(tmp_path_factory):
    return make_mpii(tmp_path_factory.mktemp("mpii"), TRAIN, VAL, quiet=True)


@pytest.fixture(scope="module")
def crowds():
    """Thirty pictures with their people."""
    return [
        crowd.draw_crowd(output.generator("test", 0, "train", index))
        for index in range(30)
    ]


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# ---------------------------------------------------------------- the figures


@pytest.mark.parametrize("pose", people.POSES)
@pytest.mark.parametrize("yaw", [0, 90, 180, -90])
def test_bones_keep_their_length(pose, yaw):
    figure = people.sample_figure(np.random.default_rng(1), (50, 90), 100, pose, yaw)
    for side in people.SIDES:
        for start, end, bone in (
            ("shoulder", "elbow", "upper_arm"),
            ("elbow", "wrist", "forearm"),
            ("hip", "knee", "thigh"),
            ("knee", "ankle", "shin"),
        ):
            span = figure.joints[f"{side}_{start}"] - figure.joints[f"{side}_{end}"]
            length = np.linalg.norm(span) / figure.size
            assert length == pytest.approx(people.BODY[bone], rel=0.06)


def test_left_is_on_the_right_of_the_image_only_when_facing_the_viewer():
    for seed in range(20):
        for yaw, sign in ((0, 1), (180, -1)):
            rng = np.random.default_rng(seed)
            joints = people.sample_figure(rng, (0, 0), 100, "stand", yaw).joints
            for joint in ("shoulder", "hip"):
                gap = joints[f"left_{joint}"][0] - joints[f"right_{joint}"][0]
                assert sign * gap > 0


def test_the_face_is_seen_from_the_front_only():
    # The head turns against the body by 55 degrees at most.
    for seed in range(20):
        figures = {
            yaw: people.sample_figure(
                np.random.default_rng(seed), (0, 0), 100, "stand", yaw
            )
            for yaw in (0, 180)
        }
        assert people.faces_viewer(figures[0], "nose")
        assert not people.faces_viewer(figures[180], "nose")
        assert not people.faces_viewer(figures[180], "left_eye")


def test_knees_bend_only_backwards():
    flip = np.array([1, -1, 1])  # from image axes to right-handed ones
    for seed in range(200):
        figure = people.sample_figure(np.random.default_rng(seed), (0, 0), 100)
        left = figure.turn[:, 0] * flip
        for side in people.SIDES:
            hip, knee, ankle = (
                figure.joints[f"{side}_{joint}"] * flip
                for joint in ("hip", "knee", "ankle")
            )
            bend = np.cross(knee - hip, ankle - knee) @ left
            assert bend > -1e-6 * figure.size**2


def test_a_figure_without_labels_looks_the_same():
    figure = people.sample_figure(np.random.default_rng(3), (60, 115), 100)
    pictures = [np.full((128, 128, 3), 90, np.float32) for _ in range(2)]
    people.draw_figure(pictures[0], None, figure)
    labels = np.zeros((128, 128), np.int32)
    people.draw_figure(pictures[1], labels, figure, 7, one_label=True)
    assert (pictures[0] == pictures[1]).all()
    assert set(np.unique(labels)) == {0, 7}


def test_shapes_outside_of_the_canvas_change_nothing():
    canvas = np.full((20, 30, 3), 5, np.float32)
    before = canvas.copy()
    drawing.tube(canvas, None, (-50, -50), (-40, -30), 3.0, (255, 0, 0))
    drawing.polygon(canvas, None, np.array([[90, 90], [99, 90], [99, 99]]), (1, 2, 3))
    drawing.ellipse(canvas, None, (200, 5), (4, 4), (9, 9, 9))
    drawing.shadow(canvas, (500, 500), (5, 5))
    people.draw_figure(
        canvas, None, people.sample_figure(np.random.default_rng(0), (900, 900), 50)
    )
    assert (canvas == before).all()


# ------------------------------------------------------- what the labels mean


def test_visibility_says_what_the_picture_shows(crowds):
    """2: on the person; 0: outside or on the far side of the head; else 1."""
    counted = {0: 0, 1: 0, 2: 0}
    for image, views in crowds:
        height, width = image.shape[:2]
        for view in views:
            for name in coco.KEYPOINTS:
                x, y = np.round(view.figure.joints[name][:2]).astype(int)
                inside = 0 <= x < width and 0 <= y < height
                flag = view.flags[name]
                counted[flag] += 1
                if flag == 2:
                    assert inside and view.mask[y, x]
                elif flag == 1:
                    assert inside
                else:
                    assert not inside or not people.faces_viewer(view.figure, name)
    # All three happen often enough to be learned from.
    assert counted[2] > 0.5 * sum(counted.values())
    assert min(counted.values()) > 0.05 * sum(counted.values())


def test_the_nearer_person_hides_the_farther():
    labels = np.zeros((120, 120), np.int32)
    canvas = np.full((120, 120, 3), 90, np.float32)
    figures = [
        people.sample_figure(np.random.default_rng(0), (60, 110), 90, "stand", 0)
        for _ in range(2)
    ]
    for index, figure in enumerate(figures):
        people.draw_figure(canvas, labels, figure, (index + 1) * crowd.STRIDE)
    near = crowd._view(figures[1], labels, 1, 1)
    assert near.flags["nose"] == near.flags["left_knee"] == 2
    for joint, point in figures[0].joints.items():
        flag = crowd._flag(figures[0], joint, point, labels, crowd.STRIDE)
        assert flag == 1 or not people.faces_viewer(figures[0], joint)
    assert crowd._view(figures[0], labels, 0, 1) is None


@pytest.mark.parametrize("pose", ["stand", "walk", "sit", "cheer"])
def test_the_far_side_of_a_body_is_hidden(pose):
    for seed in range(10):
        labels = np.zeros((240, 240), np.int32)
        canvas = np.full((240, 240, 3), 90, np.float32)
        rng = np.random.default_rng(seed)
        figure = people.sample_figure(rng, (120, 230), 170, pose, 90)
        people.draw_figure(canvas, labels, figure, crowd.STRIDE)
        flags = crowd._view(figure, labels, 0, 1).flags
        # Turned to the right of the image, a figure shows its right side.
        assert flags["right_shoulder"] == 2
        assert flags["left_shoulder"] == flags["left_hip"] == 1


def test_people_are_truncated_and_hidden_at_times(crowds):
    views = [view for _, views in crowds for view in views]
    assert 2 <= len(views) / len(crowds) <= 4
    cut = [view for view in views if view.flags["left_ankle"] == 0]
    assert 0.02 < len(cut) / len(views) < 0.5
    assert 0.05 < np.mean([view.visible < 0.95 for view in views]) < 0.7
    assert np.mean([view.visible > 0.5 for view in views]) > 0.8


# ----------------------------------------------------------------------- COCO


def test_coco_files_have_the_fields_of_coco(coco_folder):
    for split, count in (("train", TRAIN), ("val", VAL)):
        path = coco_folder / f"annotations/person_keypoints_{split}2017.json"
        content = json.loads(path.read_text())
        assert set(content) == {
            "info",
            "licenses",
            "categories",
            "images",
            "annotations",
        }
        (category,) = content["categories"]
        assert category["name"] == "person" and len(category["keypoints"]) == 17
        assert len(content["images"]) == count
        files = {path.name for path in (coco_folder / f"{split}2017").iterdir()}
        assert files == {image["file_name"] for image in content["images"]}
        for image in content["images"]:
            picture = cv2.imread(str(coco_folder / f"{split}2017" / image["file_name"]))
            assert picture.shape == (image["height"], image["width"], 3)
            assert image["file_name"] == f"{image['id']:012d}.jpg"
        for annotation in content["annotations"]:
            assert set(annotation) == {
                "segmentation",
                "num_keypoints",
                "area",
                "iscrowd",
                "keypoints",
                "image_id",
                "bbox",
                "category_id",
                "id",
            }


def test_coco_annotations_agree_with_each_other(coco_folder):
    from pycocotools import mask  # xtcocotools' fails with numpy 2.5.
    from xtcocotools.coco import COCO

    path = coco_folder / "annotations/person_keypoints_val2017.json"
    truth = COCO(str(path))
    assert len(truth.getImgIds()) == VAL
    inside = []
    for annotation in truth.loadAnns(truth.getAnnIds()):
        image = truth.imgs[annotation["image_id"]]
        x, y, width, height = annotation["bbox"]
        assert 0 <= x and x + width <= image["width"]
        assert 0 <= y and y + height <= image["height"]
        keypoints = np.reshape(annotation["keypoints"], (17, 3))
        assert annotation["num_keypoints"] == np.count_nonzero(keypoints[:, 2])
        assert not keypoints[keypoints[:, 2] == 0].any()
        shown = keypoints[keypoints[:, 2] == 2]
        inside += (
            (shown[:, :2] >= [x, y]) & (shown[:, :2] < [x + width, y + height])
        ).all(1).tolist()  # fmt: skip
        area = float(mask.area(truth.annToRLE(annotation)))
        # The outline runs through the centres of the border's pixels.
        assert area == pytest.approx(annotation["area"], rel=0.35, abs=60)
        assert 0 < annotation["area"] <= width * height
    assert len(inside) > 50 and all(inside)


def coco_dataset(folder, pipeline, **kwargs):
    from mmpose.datasets import CocoDataset

    return CocoDataset(
        data_root=str(folder),
        ann_file="annotations/person_keypoints_val2017.json",
        data_prefix=dict(img="val2017/"),
        test_mode=True,
        pipeline=pipeline,
        **kwargs,
    )


def pipeline(train=False, num_keypoints=17):
    from mmpose.datasets.transforms import (
        GenerateTarget,
        GetBBoxCenterScale,
        LoadImage,
        PackPoseInputs,
        TopdownAffine,
    )
    from mmpose.registry import KEYPOINT_CODECS

    codec = KEYPOINT_CODECS.get("MSRAHeatmap")
    encoder = codec(input_size=(96, 128), heatmap_size=(24, 32), sigma=2)
    target = GenerateTarget(encoder=dict(type=type(encoder), input_size=(96, 128),
                                         heatmap_size=(24, 32), sigma=2))  # fmt: skip
    steps = [LoadImage(), GetBBoxCenterScale(), TopdownAffine(input_size=(96, 128))]
    return [*steps, *([target] if train else []), PackPoseInputs()]


def with_truth_as_prediction(dataset, shift=0.0):
    """What a perfect network would hand to a metric."""
    for index in range(len(dataset)):
        sample = dataset[index]["data_samples"]
        keypoints = sample.gt_instances.keypoints + shift
        result = sample.to_dict()
        result["pred_instances"] = dict(
            keypoints=keypoints, keypoint_scores=np.ones(keypoints.shape[:2])
        )
        yield {}, [result]


def score(metric, dataset, shift=0.0):
    metric.dataset_meta = dataset.metainfo
    for batch, samples in with_truth_as_prediction(dataset, shift):
        metric.process(batch, samples)
    return metric.evaluate(len(dataset))


def test_mmpose_trains_on_it(coco_folder):
    dataset = coco_dataset(coco_folder, pipeline(train=True))
    item = dataset[0]
    assert item["inputs"].shape == (3, 128, 96)
    heatmaps = item["data_samples"].gt_fields.heatmaps
    assert heatmaps.shape == (17, 32, 24)
    assert heatmaps.max() == pytest.approx(1, abs=0.05)


def test_truth_scores_ap_1_and_far_points_do_not(coco_folder):
    from mmpose.evaluation import CocoMetric

    path = str(coco_folder / "annotations/person_keypoints_val2017.json")
    dataset = coco_dataset(coco_folder, pipeline())
    assert score(CocoMetric(ann_file=path), dataset)["coco/AP"] == pytest.approx(1)
    shifted = score(CocoMetric(ann_file=path), dataset, shift=30.0)
    assert shifted["coco/AP"] < 0.1


def test_detections_cover_the_people(coco_folder):
    dataset = coco_dataset(coco_folder, pipeline(), bbox_file=str(
        coco_folder / coco.DETECTIONS))  # fmt: skip
    path = coco_folder / "annotations/person_keypoints_val2017.json"
    people_in = json.loads(path.read_text())["annotations"]
    assert len(dataset) >= len(people_in)
    found = json.loads((coco_folder / coco.DETECTIONS).read_text())
    assert {tuple(sorted(row)) for row in found} == {
        ("bbox", "category_id", "image_id", "score")
    }
    assert all(0 < row["score"] <= 1 and min(row["bbox"][2:]) > 0 for row in found)
    for person in people_in:
        x, y, w, h = person["bbox"]
        best = 0.0
        for row in found:
            if row["image_id"] != person["image_id"] or row["score"] < 0.5:
                continue
            left, top, wide, high = row["bbox"]
            across = min(x + w, left + wide) - max(x, left)
            down = min(y + h, top + high) - max(y, top)
            shared = max(across, 0) * max(down, 0)
            best = max(best, shared / (w * h + wide * high - shared))
        assert best > 0.6


def test_a_person_hidden_almost_fully_has_no_keypoints(crowds):
    view = crowds[0][1][0]
    hidden = crowd.PersonView(view.figure, view.mask, 0.1, view.bbox, view.flags)
    annotation = coco._annotation(hidden, 1, 1)
    assert annotation["num_keypoints"] == 0 and not any(annotation["keypoints"])
    assert annotation["area"] > 0


def test_a_mask_of_single_pixels_still_has_a_polygon():
    mask = np.zeros((10, 10), bool)
    mask[4, 5] = True
    assert coco.polygons(mask) == [[5, 4, 6, 4, 6, 5, 5, 5]]


# ----------------------------------------------------------------------- MPII


def test_mpii_truth_scores_pckh_100(mpii_folder):
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
    assert score(MpiiPCKAccuracy(), dataset, shift=-1.0)["PCK"] == pytest.approx(100)
    assert score(MpiiPCKAccuracy(), dataset, shift=40.0)["PCK"] < 5


@pytest.mark.parametrize("counts", [(0, 1), (1, 0)])
def test_mpii_of_one_split(counts, tmp_path):
    from scipy.io import loadmat

    make_mpii(tmp_path, *counts, quiet=True)
    found = {
        split: json.loads((tmp_path / f"annotations/mpii_{split}.json").read_text())
        for split in ("train", "val")
    }
    assert [bool(people) for people in found.values()] == [bool(n) for n in counts]
    truth = loadmat(str(tmp_path / "annotations/mpii_gt_val.mat"))
    assert truth["pos_gt_src"].shape == (16, 2, len(found["val"]))


def test_mpii_files_have_the_fields_of_mpii(mpii_folder):
    from scipy.io import loadmat

    people_in = json.loads((mpii_folder / "annotations/mpii_val.json").read_text())
    truth = loadmat(str(mpii_folder / "annotations/mpii_gt_val.mat"))
    count = len(people_in)
    assert truth["headboxes_src"].shape == (2, 2, count)
    assert truth["pos_gt_src"].shape == (16, 2, count)
    assert truth["jnt_missing"].shape == (16, count)
    names = [str(name[0]) for name in truth["dataset_joints"][0]]
    assert names[9] == "head" and names == [short for _, short in mpii.JOINTS]
    for index, person in enumerate(people_in):
        assert set(person) == {"joints_vis", "joints", "image", "scale", "center"}
        joints, known = np.array(person["joints"]), np.array(person["joints_vis"])
        assert joints.shape == (16, 2) and set(known) <= {0, 1}
        assert (joints[known == 0] == -1).all()
        picture = cv2.imread(str(mpii_folder / "images" / person["image"]))
        limits = (picture.shape[1] + 1, picture.shape[0] + 1)
        assert (joints[known == 1] > 0).all() and (joints[known == 1] < limits).all()
        low, high = truth["headboxes_src"][..., index]
        assert (high > low).all()
        if known[9]:
            assert (joints[9] >= low - 1).all() and (joints[9] <= high + 1).all()


# ------------------------------------------------- reproducibility and errors


@pytest.mark.parametrize("make", [make_coco, make_mpii])
def test_the_same_arguments_give_the_same_bytes(make, tmp_path):
    threads = cv2.getNumThreads()
    try:
        for name, count in (("one", 1), ("many", 4)):
            cv2.setNumThreads(count)
            make(tmp_path / name, 2, 2, seed=3, size=(120, 160), quiet=True)
    finally:
        cv2.setNumThreads(threads)
    make(tmp_path / "other", 2, 2, seed=4, size=(120, 160), quiet=True)
    one, many, other = (digests(tmp_path / name) for name in ("one", "many", "other"))
    assert one == many
    assert set(one) == set(other)
    assert all(one[name] != other[name] for name in one if name.endswith(".jpg"))


def test_an_image_depends_on_its_number_only(coco_folder, tmp_path):
    make_coco(tmp_path / "more", TRAIN + 2, 1, quiet=True)
    few, more = digests(coco_folder), digests(tmp_path / "more")
    shared = {name for name in few if name.endswith(".jpg")} & set(more)
    assert len(shared) == TRAIN + 1
    assert all(few[name] == more[name] for name in shared)


def test_train_and_val_share_no_picture(coco_folder):
    pictures = [
        digest for name, digest in digests(coco_folder).items() if name.endswith("jpg")
    ]
    assert len(set(pictures)) == TRAIN + VAL


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(num_train=-1, num_val=1), "train=-1.*0..100000"),
        (dict(num_train=1, num_val=-2), "val=-2.*0..100000"),
        (dict(num_train=0, num_val=0), "at least one image"),
        (dict(num_train=1, num_val=1, seed=-5), "seed=-5.*0 or larger"),
        (dict(num_train=1, num_val=1, size=(50, 200)), "size=50x200.*96x96"),
    ],
)
@pytest.mark.parametrize("make", [make_coco, make_mpii])
def test_wrong_arguments_are_named(make, arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        make(tmp_path / "out", quiet=True, **arguments)
    assert not (tmp_path / "out").exists()


def test_only_generated_data_is_overwritten(tmp_path):
    make_mpii(tmp_path / "out", 2, 1, size=(96, 96), quiet=True)
    with pytest.raises(FileExistsError, match="--overwrite"):
        make_mpii(tmp_path / "out", 1, 1, quiet=True)
    make_mpii(tmp_path / "out", 1, 1, size=(96, 96), overwrite=True, quiet=True)
    assert len(list((tmp_path / "out/images").iterdir())) == 2

    with pytest.raises(FileExistsError, match="'mpii'"):
        make_coco(tmp_path / "out", 1, 1, overwrite=True, quiet=True)

    added = tmp_path / "out/images/photo.jpg"
    added.write_bytes(b"photo")
    with pytest.raises(FileExistsError, match="photo.jpg was not generated"):
        make_mpii(tmp_path / "out", 1, 1, overwrite=True, quiet=True)
    assert added.exists() and len(list((tmp_path / "out/images").iterdir())) == 3

    precious = tmp_path / "real" / "images"
    precious.mkdir(parents=True)
    (precious / "photo.jpg").write_bytes(b"photo")
    with pytest.raises(FileExistsError, match="never overwritten"):
        make_mpii(tmp_path / "real", 1, 1, overwrite=True, quiet=True)
    assert (precious / "photo.jpg").read_bytes() == b"photo"
    with pytest.raises(NotADirectoryError, match="photo.jpg"):
        make_mpii(precious / "photo.jpg", 1, 1, quiet=True)


@pytest.mark.parametrize("make", [make_coco, make_mpii, make_cityscapes, make_imagenet])
def test_all_that_was_generated_is_replaced(make, tmp_path):
    make(tmp_path, 2, 1, quiet=True)
    make(tmp_path, 1, 1, seed=1, overwrite=True, quiet=True)
    make(tmp_path / "new", 1, 1, seed=1, quiet=True)
    new = digests(tmp_path / "new")
    assert new == {
        name: digest
        for name, digest in digests(tmp_path).items()
        if not name.startswith("new/")
    }


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_damaged_marker(content, tmp_path):
    (tmp_path / output.MARKER).write_bytes(content)
    with pytest.raises(ValueError, match=f"{output.MARKER} is damaged"):
        make_mpii(tmp_path, 1, 1, overwrite=True, quiet=True)


def test_the_tool_writes_and_explains(tmp_path, capsys):
    tool = load_tool("make_sample_data")
    out = str(tmp_path / "out")
    call = ["coco", out, "--train", "1", "--val", "1", "--size", "100", "120"]
    assert tool.main([*call, "--quiet"]) == 0
    assert (tmp_path / "out" / coco.DETECTIONS).is_file()
    capsys.readouterr()
    assert tool.main(call) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert tool.main([*call, "--overwrite", "--quiet"]) == 0
    assert tool.main(["mpii", out + "2", "--train", "-3"]) == 2
    assert "train=-3" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        tool.main(["posetrack", out])
    assert "posetrack" in capsys.readouterr().err
