"""Bad data either trains on or stops with an error that names file and field."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, init_default_scope

from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.datasets.faults import DataError
from sample_data import make_mpii
from tests.datasets.data_faults import FAULTS, TRAINS
from tests.robustness.recipes import make_data, small_config
from tests.running import ROOT


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """Of each task: a good data set, a config that reads its copy, and its model."""
    made = {}
    for task in FAULTS:
        good = make_data(task, tmp_path_factory.mktemp(task) / "good", 2, 1)
        cfg = small_config(task, good.with_name("data"))
        made[task] = good, cfg, network_from_config(cfg).train()
    return made


@pytest.fixture
def recipe(recipes, request):
    """The copy, config and model."""
    good, cfg, model = recipes[getattr(request, "param", "pose")]
    data = good.with_name("data")
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(good, data)
    init_default_scope(cfg.default_scope)
    return data, cfg, model


def train_once(cfg, model):
    """Read the whole training set of a config and compute the losses of its batches.

    Returns:
        The number of samples.
    """
    np.random.seed(0)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    samples = [dataset[index] for index in range(len(dataset))]
    # Two samples a batch: a single one has no statistics everywhere.
    for start in range(0, len(samples), 2):
        batch = pseudo_collate(samples[start : start + 2])
        batch = model.data_preprocessor(batch, training=True)
        loss, _ = model.parse_losses(model(**batch, mode="loss"))
        model.zero_grad()
        loss.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert loss.isfinite() and all(g.isfinite().all() for g in gradients)
    return len(samples)


@pytest.mark.parametrize("recipe", FAULTS, indirect=True)
def test_good_data_trains(recipe):
    assert train_once(*recipe[1:]) >= 2


@pytest.mark.parametrize(
    "recipe, damage, message",
    [
        pytest.param(task, *fault, id=f"{task}: {name}")
        for task, faults in FAULTS.items()
        for name, fault in faults.items()
    ],
    indirect=["recipe"],
)
def test_fault(recipe, damage, message):
    data, *training = recipe
    damage(data)
    if message is TRAINS:
        assert train_once(*training) > 0
        return
    with pytest.raises(DataError) as caught:
        train_once(*training)
    assert re.search(message, str(caught.value).replace("\n", " "))
    assert str(data) in str(caught.value)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda found: found[0].update(bbox=[5, 5, 0, 9]), "bbox must be four"),
        (lambda found: found[0].update(image_id=7), "image_id must be the id.*got 7"),
        (lambda found: found[0].pop("score"), "score must be a finite .*got nothing"),
        (
            lambda found: [one.update(category_id=2) for one in found],
            r"there is nobody.*the category_id of a detection is none of \[1\]",
        ),
    ],
)
def test_fault_of_detected_boxes(recipe, change, message):
    dataset = recipe[1].val_dataloader.dataset
    path = Path(dataset.bbox_file)
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match=f"{path.name}: .*{message}"):
        DATASETS.build(dataset)


def test_mpii(tmp_path):
    """Keypoints count from 0 in training, as the boxes; the metric wants the file's."""
    make_mpii(tmp_path / "data", 2, 1, quiet=True)
    cfg = Config.fromfile(ROOT / "configs/pose/litehrnet_18_mpii_256x256.py")
    cfg.train_dataloader.dataset.data_root = f"{tmp_path}/data/"
    init_default_scope("mmpose")
    path = tmp_path / "data/annotations/mpii_train.json"
    people = json.loads(path.read_text())
    for test_mode in (False, True):
        dataset = DATASETS.build(
            dict(cfg.train_dataloader.dataset, test_mode=test_mode)
        )
        assert len(dataset) == len(people) > 0
        for index, person in enumerate(people):
            read = dataset.get_data_info(index)["keypoints"][0]
            expected = np.array(person["joints"]) - (0 if test_mode else 1)
            assert np.allclose(read, expected, atol=1e-4)
    people[1]["joints"][3] = [float("nan"), 4]
    path.write_text(json.dumps(people))
    with pytest.raises(
        DataError, match=r"train\.json: person 1: joints must be finite"
    ):
        DATASETS.build(cfg.train_dataloader.dataset)
