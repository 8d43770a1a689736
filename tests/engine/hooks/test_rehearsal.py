"""What an evaluation would find out hours later stops a run before its first step."""

import pytest
from mmengine.runner import Runner

from mmlitehrnet.datasets.faults import DataError
from tests.robustness.recipes import make_data, small_config


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {task: make_data(task, folder / task, 2, 2) for task in ("pose", "seg")}


def runner_of(task, data, tmp_path, **options):
    cfg = small_config(task, data[task])
    cfg.work_dir = str(tmp_path)
    end = dict(max_epochs=1) if task == "pose" else dict(max_iters=1)
    cfg.train_cfg.update(end, val_interval=1)
    cfg.merge_from_dict(options)
    return Runner.from_cfg(cfg)


PCK = dict(type="PCKAccuracy", thr=0.2)
FAULTS = {
    "another score": (
        "pose",
        {"val_evaluator": [PCK]},
        r"save_best='coco/AP' is no score of val_evaluator, which gives \['PCK'\]",
    ),
    "another monitor": (
        "pose",
        {"custom_hooks": [dict(type="EarlyStoppingHook", monitor="AP", rule="less")]},
        "EarlyStoppingHook: monitor='AP' is no score",
    ),
    "a metric that fails": (
        "pose",
        {"val_evaluator": [dict(type="NME", norm_mode="keypoint_distance")]},
        "val_evaluator would fail; on 2 samples of val_data.*keypoint_indices",
    ),
    "keypoints": (
        "pose",
        {"model.head.out_channels": 5},
        "model.head.out_channels is 5, but by the metainfo of train_dataloader.* 17 k",
    ),
    "classes": (
        "seg",
        {"model.decode_head.num_classes": 20},
        "model.decode_head.num_classes is 20, but by the metainfo .* 19 classes",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_stops_before_the_first_step(name, data, tmp_path):
    task, options, message = FAULTS[name]
    runner = runner_of(task, data, tmp_path, **options)
    with pytest.raises(DataError, match=message):
        runner.train()
    assert runner.iter == 0


def test_a_test_that_would_fail_at_its_end_stops_at_its_start(data, tmp_path):
    dumped = tmp_path / "results.pkl"
    dumped.write_text("of an earlier test")
    metrics = [
        dict(type="DumpResults", out_file_path=str(dumped)),
        dict(type="NME", norm_mode="keypoint_distance"),
    ]
    runner = runner_of("pose", data, tmp_path, test_evaluator=metrics)
    with pytest.raises(DataError, match="test_evaluator would fail; on 2 samples"):
        runner.test()
    assert dumped.read_text() == "of an earlier test"


@pytest.mark.parametrize("task", ["pose", "seg"])
def test_a_config_that_fits_trains(task, data, tmp_path, caplog):
    """The shipped warm-up is longer than this run, which is said."""
    runner = runner_of(task, data, tmp_path)
    runner.logger.addHandler(caplog.handler)
    runner.train()
    assert runner.iter >= 1
    assert ("the warm-up LinearLR ends after step 500" in caplog.text) == (
        task == "pose"
    )
