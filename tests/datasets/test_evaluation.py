"""What an evaluation reads is checked with the data, and the truth scores 1."""

import json
import logging

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, METRICS, init_default_scope

from mmlitehrnet.datasets.faults import DataError
from tests.own_data import make_own_data
from tests.running import ROOT

METAINFO = Config.fromfile(ROOT / "configs/pose/own_keypoints.py").metainfo


@pytest.fixture
def figures(tmp_path):
    return make_own_data(tmp_path / "own", 1, 2)


def build(folder, metainfo=METAINFO, **options):
    init_default_scope("mmpose")
    pipeline = [dict(type="LoadImage"), dict(type="PackPoseInputs")]
    return DATASETS.build(
        dict(
            type="CheckedCocoDataset",
            metainfo=metainfo,
            ann_file=f"{folder}/val.json",
            data_prefix=dict(img=f"{folder}/images"),
            pipeline=pipeline,
            **{"test_mode": True, **options},
        )
    )


def change(folder, edit):
    """Change the content of the annotation file; return what it was."""
    path = folder / "val.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    return content


def precision_of_the_truth(dataset, truth):
    """AP of predictions that are the annotated keypoints."""
    metric = METRICS.build(dict(type="CocoMetric", ann_file=dataset.ann_file))
    metric.dataset_meta = dataset.metainfo
    places = {(a["image_id"], round(a["bbox"][0], 1)): a for a in truth["annotations"]}
    for sample in (one["data_samples"] for one in dataset):
        boxes = sample.gt_instances.bboxes
        annotation = places[sample.img_id, round(float(boxes[0, 0]), 1)]
        points = np.reshape(annotation["keypoints"], (1, 9, 3))[..., :2]
        sample.pred_instances = type(sample.gt_instances)(
            keypoints=points.astype(np.float32),
            keypoint_scores=np.ones((1, 9), np.float32),
            bboxes=boxes,
        )
        metric.process({}, [sample.to_dict()])
    return metric.evaluate(len(dataset))["coco/AP"]


def set_all(part, **values):
    return lambda content: [one.update(values) for one in content[part]]


@pytest.mark.parametrize("category, detected", [(0, True), (5, False), (5, True)])
def test_any_category_is_evaluated(figures, category, detected):
    change(figures, set_all("categories", id=category))
    truth = change(figures, set_all("annotations", category_id=category))
    boxes = [
        dict(image_id=a["image_id"], category_id=category, bbox=a["bbox"], score=0.9)
        for a in truth["annotations"]
    ]
    file = figures / "boxes.json"
    file.write_text(json.dumps(boxes))
    dataset = build(figures, bbox_file=str(file) if detected else None)
    assert precision_of_the_truth(dataset, truth) == pytest.approx(1)


def test_what_nobody_must_write_may_be_missing(figures):
    """COCO counts keypoints by their flags."""

    def edit(content):
        for annotation in content["annotations"]:
            for name in ("num_keypoints", "iscrowd"):
                del annotation[name]

    truth = change(figures, edit)
    assert precision_of_the_truth(build(figures), truth) == pytest.approx(1)


@pytest.mark.parametrize(
    "edit, message",
    [
        (set_all("annotations", area=0), "area must be the positive area.* got 0"),
        (lambda content: content["annotations"][1].pop("bbox"), "bbox must.* nothing"),
        (set_all("annotations", iscrowd=2), "iscrowd must be 0 or 1, got 2"),
        (set_all("annotations", id="a"), "id must be an integer that .*, got 'a'"),
    ],
)
def test_what_only_the_metric_reads_is_refused_with_the_data(figures, edit, message):
    change(figures, edit)
    with pytest.raises(DataError, match=message):
        build(figures)


def test_who_is_left_out_is_counted_and_logged(figures, caplog):
    def edit(content):
        first, second, third, _ = content["annotations"]
        first.update(keypoints=[0] * 27, num_keypoints=0)
        second.update(iscrowd=1, area=0)  # of a crowd, area is not read
        third.update(bbox=[-50, -50, 20, 20])

    change(figures, edit)
    logger = MMLogger.get_instance("left_out", log_level="INFO")
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        dataset = build(figures)
    assert len(dataset) == 1 and set(dataset.left_out.values()) == {1}
    for reason in dataset.left_out:
        assert f"{reason}: 1" in caplog.text


def with_keypoint(number, **changes):
    info = {k: dict(v) for k, v in METAINFO["keypoint_info"].items()}
    info[number].update(changes)
    return dict(keypoint_info=info)


@pytest.mark.parametrize(
    "metainfo, message",
    [
        (with_keypoint(3, swap=""), r"keypoint 4: swap must .*whose own swap is this"),
        (with_keypoint(3, swap="wing"), "swap must be .*got 'wing'"),
        (with_keypoint(3, name="head", swap=""), "name must be a text that no other"),
        (with_keypoint(3, id=7), "keypoint 7: id must be its number in keypoint_info"),
        (dict(sigmas=[0.05] * 4), "sigmas must be 9 positive numbers"),
        (dict(joint_weights=[1.0] * 17), "joint_weights must be 9 numbers"),
        (dict(skeleton_info={0: dict(link=("head", "tail"))}), "link must be the"),
        (dict(keypoint_info={}), "keypoint_info must be a dict"),
    ],
)
def test_metainfo_that_contradicts_itself_is_refused(figures, metainfo, message):
    with pytest.raises(DataError, match=message):
        build(figures, {**METAINFO, **metainfo})
