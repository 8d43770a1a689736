"""Keypoints are scored as xtcocotools does, with or without it."""

import copy
import json
from pathlib import Path

import pytest

from mmlitehrnet.compat.xtcocotools.coco import COCO
from mmlitehrnet.compat.xtcocotools.cocoeval import COCOeval
from tests.compat.keypoint_scores import KINDS, scores, write_data
from tests.running import ROOT

REFERENCE = ROOT / "tests/data/keypoint_scores.json"


@pytest.mark.filterwarnings("ignore:.*_score")
def test_scores_are_xtcocotools_to_the_last_digit(capsys):
    expected = json.loads(REFERENCE.read_text())
    found = scores("mmlitehrnet.compat.xtcocotools")
    assert found.keys() == expected.keys() and len(found) == 3 * len(KINDS)
    for key, values in expected.items():
        assert found[key] == values, key


@pytest.fixture
def data(tmp_path, capsys) -> tuple[COCO, str]:
    write_data(tmp_path, with_area=True, with_scores=False)
    path: Path = tmp_path / "detections.json"
    return COCO(str(tmp_path / "annotations.json")), str(path)


def test_a_missing_score_is_told(data):
    truth, detections = data
    evaluation = COCOeval(truth, truth.loadRes(detections), "keypoints_foot", [0.1] * 6)
    with pytest.warns(UserWarning, match="no 'foot_score': using 'score'"):
        evaluation.evaluate()


@pytest.mark.parametrize("kind", ["keypoints", "bbox"])
def test_no_detections_score_zero(data, kind):
    truth, detections = data
    Path(detections).write_text("[]")
    evaluation = COCOeval(truth, truth.loadRes(detections), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == 0


def test_annotations_and_detections_stay_as_they_are(data):
    truth, detections = data
    results = truth.loadRes(detections)
    before = copy.deepcopy([truth.dataset, results.dataset])
    evaluation = COCOeval(truth, results, "keypoints_wholebody", [0.1] * 45)
    with pytest.warns(UserWarning):
        evaluation.evaluate()
    assert [truth.dataset, results.dataset] == before
