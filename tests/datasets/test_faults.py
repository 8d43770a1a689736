"""Bad data either trains on or stops with an error that names file and field."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine import Config
from mmengine.registry import DATASETS, init_default_scope

from mmlitehrnet.datasets.faults import DataError
from sample_data import make_mpii
from tests.datasets.data_faults import FAULTS, TRAINS, make_model, train_once
from tests.robustness.recipes import make_data, small_config
from tests.running import ROOT


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A good data set of each task, and a model."""
    folder = tmp_path_factory.mktemp("good")
    made = {}
    for task in FAULTS:
        data = make_data(task, folder / task, 2, 1)
        made[task] = (data, make_model(task, data))
    return made


@pytest.mark.parametrize("task", FAULTS)
def test_good_data_trains(good, task):
    assert train_once(task, *good[task]) >= 2


@pytest.mark.parametrize(
    "task, name", [(task, name) for task in FAULTS for name in FAULTS[task]]
)
def test_fault(good, task, name, tmp_path):
    source, model = good[task]
    data = tmp_path / "data"
    shutil.copytree(source, data)
    damage, message = FAULTS[task][name]
    damage(data)
    if message is TRAINS:
        assert train_once(task, data, model) > 0
        return
    with pytest.raises(DataError) as caught:
        train_once(task, data, model)
    assert re.search(message, str(caught.value).replace("\n", " "))
    assert str(data) in str(caught.value)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda found: found[0].update(bbox=[5, 5, 0, 9]), "bbox must be four"),
        (lambda found: found[0].update(image_id=7), "image_id must be the id.*got 7"),
        (lambda found: found[0].pop("score"), "score must be a finite .*got nothing"),
        (lambda found: found.clear(), "there is nobody in it"),
        (
            lambda found: [one.update(category_id=2) for one in found],
            r"there is nobody.*the category_id of a detection is none of \[1\]",
        ),
    ],
)
def test_fault_of_detected_boxes(good, change, message, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(good["pose"][0], data)
    cfg = small_config("pose", data)
    path = Path(cfg.val_dataloader.dataset.bbox_file)
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))
    init_default_scope("mmpose")
    with pytest.raises(DataError, match=f"{path.name}: .*{message}"):
        DATASETS.build(cfg.val_dataloader.dataset)


@pytest.fixture
def mpii(tmp_path):
    """A file of MPII's people, and the config of its data set."""
    make_mpii(tmp_path / "data", 2, 1, quiet=True)
    cfg = Config.fromfile(ROOT / "configs/pose/litehrnet_18_mpii_256x256.py")
    cfg.train_dataloader.dataset.data_root = f"{tmp_path}/data/"
    init_default_scope("mmpose")
    path = tmp_path / "data/annotations/mpii_train.json"
    return path, cfg.train_dataloader.dataset


def test_fault_of_mpii(mpii):
    path, cfg = mpii
    people = json.loads(path.read_text())
    people[1]["joints"][3] = [float("nan"), 4]
    path.write_text(json.dumps(people))
    with pytest.raises(
        DataError, match=r"mpii_train\.json: person 1: joints must be finite"
    ):
        DATASETS.build(cfg)


@pytest.mark.parametrize("test_mode", [False, True])
def test_keypoints_of_mpii_count_from_0_in_training(mpii, test_mode):
    """As the boxes; in testing the metric expects the numbers of the file."""
    path, cfg = mpii
    people = json.loads(path.read_text())
    dataset = DATASETS.build(dict(cfg, test_mode=test_mode))
    assert len(dataset) == len(people) > 0
    for index, person in enumerate(people):
        read = dataset.get_data_info(index)["keypoints"][0]
        expected = np.array(person["joints"]) - (0 if test_mode else 1)
        assert np.allclose(read, expected, atol=1e-4)
