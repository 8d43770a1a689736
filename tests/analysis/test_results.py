"""tools/analyze.py: learning curves, the table of runs, the worst cases."""

import json
import re

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.evaluation import IoUMetric
from xtcocotools.coco import COCO
from xtcocotools.cocoeval import COCOeval

from mmlitehrnet.analysis import learning_curves
from mmlitehrnet.analysis.learning_curves import plot_learning_curves, read_scalars
from mmlitehrnet.analysis.runs import find_runs, summarise
from mmlitehrnet.analysis.worst_cases import draw_worst_cases
from mmlitehrnet.analysis.worst_people import object_keypoint_similarity
from mmlitehrnet.analysis.worst_streets import class_ious
from mmlitehrnet.sample_data import make_cityscapes, make_coco
from tests.running import ROOT
from tests.tools import run_tool

POSE = ROOT / "configs/pose/naive_litehrnet_18_coco_256x192.py"
SEG = ROOT / "configs/seg/demo/litehrnet_18_sample_128x256.py"
VAL = "annotations/person_keypoints_val2017.json"


def log(work_dir, name, lines, cut=""):
    """Write what a run logs."""
    folder = work_dir / name / "vis_data"
    folder.mkdir(parents=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "scalars.json").write_text(text + cut)
    return folder


def losses(*steps, value=1.0):
    return [dict(loss=value, lr=0.1, epoch=s // 10, iter=s, step=s) for s in steps]


def scores(name="coco/AP", **points):
    return [{name: v, "time": 1.0, "step": int(k[1:])} for k, v in points.items()]


def test_a_resumed_run_takes_the_place_of_what_it_did_again(tmp_path):
    log(tmp_path, "1", losses(10, 20, 30) + scores(_1=0.1, _2=0.2, _3=0.3))
    log(tmp_path, "2", losses(30, 40, value=2.0) + scores(_3=0.4), cut='{"loss": 1')
    log(tmp_path, "3_test", scores(_0=0.9))
    found = read_scalars(tmp_path)
    assert [(x["step"], x["loss"]) for x in found if "loss" in x] == [
        (10, 1.0), (20, 1.0), (30, 2.0), (40, 2.0),
    ]  # fmt: skip
    assert learning_curves.score_points(found, "coco/AP") == [
        (1, 0.1), (2, 0.2), (3, 0.4),
    ]  # fmt: skip


def test_logs_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="no .*scalars.json"):
        read_scalars(tmp_path)
    log(tmp_path, "1", [])
    with pytest.raises(FileNotFoundError, match="no .*scalars.json"):
        read_scalars(tmp_path)
    log(tmp_path, "2", losses(1), cut='{"loss": \n{"loss": 1, "step": 2}\n')
    with pytest.raises(ValueError, match="scalars.json, line 2"):
        read_scalars(tmp_path)


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn."""
    made = []

    class Figure(learning_curves.Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(learning_curves, "Figure", Figure)
    return made


def test_curves_of_several_runs(tmp_path, figures):
    """The main score of each run is drawn, and only that."""
    a, b = tmp_path / "a", tmp_path / "b"
    others = [dict(aAcc=99.0, step=1), dict(mIoU=50.0, step=2)]
    log(a, "1", losses(1, 2) + scores(_1=0.1, _2=0.5, _3=0.3))
    log(b, "1", losses(1, 2, 3, value=2.0) + others)
    out = tmp_path / "new/curves.png"
    assert run_tool("analyze", "curves", a, b, "--out", out) == 0
    assert cv2.imread(str(out)) is not None
    loss_axes, score_axes = figures[0].axes
    lengths = [len(line.get_xdata()) for line in loss_axes.lines]
    assert lengths == [2, 3]
    labels = [line.get_label() for line in score_axes.lines]
    assert labels == ["a: coco/AP, best 0.500", "b: mIoU, best 50.000"]
    colors = [[x.get_color() for x in axes.lines] for axes in figures[0].axes]
    assert colors[0] == colors[1] and len(set(colors[0])) == 2

    plot_learning_curves(b, out, ("aAcc",))
    (line,) = figures[1].axes[1].lines
    assert line.get_label() == "aAcc, best 99.000"
    with pytest.raises(ValueError, match="'AUC', but .*coco/AP"):
        plot_learning_curves(a, out, ("AUC",))


@pytest.mark.parametrize("name", ["curves", "folder.png"])
@pytest.mark.parametrize("command", [("curves", "a"), ("worst", "a.py", "a.json")])
def test_pictures_need_a_name_with_a_suffix(tmp_path, capsys, command, name):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SystemExit) as stop:
        run_tool("analyze", *command, "--out", tmp_path / name)
    assert stop.value.code == 2
    words = f"--out: {tmp_path / name}: an image file is needed, as "
    assert words in capsys.readouterr().err


def make_run(work_dir, name, changes, lines, *checkpoints):
    cfg = Config.fromfile(POSE)
    cfg.merge_from_dict(changes)
    cfg.dump(log(work_dir, "20260101", lines) / "config.py")
    cfg.merge_from_dict({"train_cfg.max_epochs": 999})
    cfg.dump(work_dir / f"{name}.py")
    for checkpoint in checkpoints:
        (work_dir / checkpoint).touch()


def test_table_of_runs(tmp_path, capsys):
    lines = losses(10, 55) + scores(_2=0.1, _4=0.5, _5=0.3)
    best = ("epoch_5.pth", "best_coco_AP_epoch_4.pth")
    make_run(tmp_path / "x/first", "naive", {}, lines, *best)
    less = {
        "train_cfg.max_epochs": 7,
        "default_hooks.checkpoint.save_best": "NME",
        "default_hooks.checkpoint.rule": "less",
    }
    make_run(
        tmp_path / "second", "face", less, scores("NME", _3=9, _6=3), "epoch_6.pth"
    )
    (tmp_path / "second/last_checkpoint").write_text("/elsewhere/second/epoch_6.pth")
    make_run(tmp_path / "third", "young", {}, losses(1))

    paths = find_runs(tmp_path)
    assert paths == [tmp_path / name for name in ("second", "third", "x/first")]
    second, third, first = map(summarise, paths)
    assert (first.config, first.parameters) == ("naive", 760_365)
    assert (first.trained, first.score) == ("5 / 210 epochs", "coco/AP")
    assert (first.best, first.at) == (0.5, 4)
    assert first.checkpoint.name == "best_coco_AP_epoch_4.pth"
    assert (second.score, second.best, second.at) == ("NME", 3, 6)
    assert second.trained.endswith("/ 7 epochs")
    assert second.checkpoint.name == "epoch_6.pth"
    assert (third.best, third.checkpoint) == (None, None)

    assert run_tool("analyze", "runs", tmp_path / "x") == 0
    table = capsys.readouterr().out.splitlines()
    cells = [cell.strip() for cell in table[2].strip("|").split("|")]
    assert cells[1:] == [
        "naive", "760,365", "5 / 210 epochs", "coco/AP", "0.5", "4",
        "best_coco_AP_epoch_4.pth",
    ]  # fmt: skip
    assert run_tool("analyze", "runs", tmp_path / "none") == 2
    assert "no */vis_data/scalars.json" in capsys.readouterr().err


def test_runs_that_cannot_be_read_do_not_hide_others(tmp_path, capsys):
    make_run(tmp_path / "good", "naive", {}, losses(10))
    (tmp_path / "good/naive.py").unlink()
    log(tmp_path / "bare", "1", losses(10))
    log(tmp_path / "empty", "1", [])
    make_run(tmp_path / "steps", "naive", {}, [dict(loss=1.0)])
    make_run(tmp_path / "model", "naive", {"model.type": "Unknown"}, losses(10))
    assert run_tool("analyze", "runs", tmp_path) == 1
    captured = capsys.readouterr()
    (row,) = captured.out.splitlines()[2:]
    assert f"{tmp_path / 'good'} " in row and " 20260101/vis_data/config.py " in row
    errors = [x for x in captured.err.splitlines() if x.startswith("analyze: ")]
    for name, words in {
        "bare": "bare/1/vis_data/config.py: there is no",
        "empty": "no .*scalars.json",
        "model": "Unknown",
        "steps": "scalars.json, line 1: it has no 'step'",
    }.items():
        error = errors.pop(0)
        assert re.match(f"analyze: {tmp_path / name} is left out: .*{words}", error)
    assert not errors
    assert run_tool("analyze", "runs", tmp_path / "bare") == 2


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return make_coco(tmp_path_factory.mktemp("people") / "a", 1, 4, quiet=True)


def pose_config(people):
    cfg = Config.fromfile(POSE)
    dataset = cfg.test_dataloader.dataset
    dataset.data_root = str(people)
    dataset.bbox_file = f"{people}/" + dataset.bbox_file.removeprefix("data/coco/")
    cfg.test_evaluator.ann_file = str(people / VAL)
    return cfg


def results_of(people, shift):
    """What a model would give that is off by some pixels."""
    coco = COCO(str(people / VAL))
    return [
        dict(
            image_id=person["image_id"],
            category_id=1,
            score=0.9,
            keypoints=(
                np.array(person["keypoints"], float).reshape(-1, 3)
                + [shift(person["image_id"]), 0, 0]
            )
            .ravel()
            .tolist(),
        )
        for person in coco.anns.values()
    ]


def test_oks_is_that_of_coco(people, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results_of(people, lambda image_id: 4.0)))
    truth = COCO(str(people / VAL))
    evaluator = COCOeval(truth, truth.loadRes(str(path)), "keypoints")
    evaluator.evaluate()
    compared = 0
    for image_id in truth.imgs:
        everyone = truth.imgToAnns[image_id]
        results = [r for r in results_of(people, lambda _: 4.0)]
        results = [r["keypoints"] for r in results if r["image_id"] == image_id]
        points = np.array(results).reshape(len(results), -1, 3)[..., :2]
        for column, person in enumerate(everyone):
            if person["num_keypoints"] == 0:
                continue
            keypoints = np.array(person["keypoints"], float).reshape(-1, 3)
            ours = object_keypoint_similarity(
                keypoints, person["area"], points, evaluator.sigmas
            )
            theirs = evaluator.ious[image_id, 1][:, column]
            np.testing.assert_allclose(ours, theirs, atol=1e-12)
            compared += (theirs > 0.01).sum()
    assert compared > 4


def test_worst_people(people, tmp_path, capsys):
    """Images come in the order of their errors; missing people count as 0."""
    first = min(COCO(str(people / VAL)).imgs)
    records = results_of(people, lambda image_id: 3.0 * (image_id - first))
    results = tmp_path / "val.keypoints.json"
    results.write_text(json.dumps(records))
    config = pose_config(people)
    found = draw_worst_cases(config, results, tmp_path / "worst.png", number=3)
    names = [f"{first + k:012d}.jpg" for k in (3, 2, 1)]
    assert [case.name for case in found.cases] == names
    assert (found.num_images, found.score) == (4, "mean OKS")
    picture = cv2.imread(str(tmp_path / "worst.png"))
    assert picture.shape[1] == 2 * 480
    listed = json.loads((tmp_path / "worst.json").read_text())
    assert [item["image"] for item in listed] == [*names, f"{first:012d}.jpg"]
    assert listed[-1]["score"] == 1
    for item in listed:
        oks = [person["oks"] for person in item["people"]]
        assert item["score"] == pytest.approx(np.mean(oks))

    # Each person gets the nearest prediction, whatever the order.
    results.write_text(json.dumps(records[::-1]))
    again = draw_worst_cases(config, results, tmp_path / "again.png", number=4)
    assert json.loads((tmp_path / "again.json").read_text()) == listed
    assert again.mean == found.mean

    left = [record for record in records if record["image_id"] != first]
    results.write_text(json.dumps(left))
    found = draw_worst_cases(config, results, tmp_path / "less.png", number=1)
    assert (found.cases[0].name, found.cases[0].score) == (f"{first:012d}.jpg", 0)


def test_worst_people_of_an_evaluation(people, tmp_path, capsys):
    """From what MMPose's test writes to the picture."""
    cfg = pose_config(people)
    cfg.merge_from_dict(
        {
            "test_evaluator.outfile_prefix": str(tmp_path / "val"),
            "test_dataloader.num_workers": 0,
            "test_dataloader.persistent_workers": False,
            "work_dir": str(tmp_path / "run"),
        }
    )
    init_default_scope("mmpose")
    runner = Runner.from_cfg(cfg)
    # Something to see: heatmaps of an untrained network are flat.
    torch.nn.init.normal_(runner.model.head.final_layer.weight)
    runner.test()
    capsys.readouterr()
    root = f"test_dataloader.dataset.data_root={people}"
    args = (tmp_path / "val.keypoints.json", "--out", tmp_path / "w.png")
    assert run_tool("analyze", "worst", POSE, *args, "--cfg-options", root) == 0
    assert "4 images, mean OKS 0." in capsys.readouterr().out
    assert cv2.imread(str(tmp_path / "w.png")) is not None


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streets") / "a"
    return make_cityscapes(folder, 1, 3, size=(64, 128), quiet=True)


def seg_config(streets):
    cfg = Config.fromfile(SEG)
    cfg.test_dataloader.dataset.data_root = str(streets)
    return cfg


def test_iou_is_that_of_mmsegmentation():
    generator = np.random.default_rng(0)
    truth, found = generator.integers(0, 5, (2, 40, 60)).astype(np.uint8)
    truth[truth == 4] = 255
    found[found == 3] = 0
    areas = IoUMetric.intersect_and_union(
        torch.from_numpy(found.astype(int)), torch.from_numpy(truth.astype(int)), 6, 255
    )
    expected = (areas[0] / areas[1]).numpy()
    np.testing.assert_allclose(class_ious(truth, found, 6), expected, rtol=1e-6)
    assert np.isnan(class_ious(truth, found, 6)[5])


def test_worst_streets(streets, tmp_path):
    """Labels that are right, wrong in a part, and wrong throughout."""
    truths = sorted(streets.glob("gtFine/val/*/*_labelTrainIds.png"))
    labels = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in truths]
    labels[1][:, :20] = 0
    labels[2][:] = 18
    names = [
        path.name.replace("_gtFine_labelTrainIds", "_leftImg8bit") for path in truths
    ]
    folder = tmp_path / "labels"
    folder.mkdir()
    for name, label in zip(names, labels):
        label[label == 255] = 7
        cv2.imwrite(str(folder / name), label)
    config = seg_config(streets)
    found = draw_worst_cases(config, folder, tmp_path / "worst.png", number=9)
    assert [case.name for case in found.cases] == names[::-1]
    values = [case.score for case in found.cases]
    assert values[0] < 0.1 < values[1] < values[2] == 1
    assert set(found.cases[2].details["iou"].values()) == {1.0}
    picture = cv2.imread(str(tmp_path / "worst.png"))
    assert picture.shape[1] == 3 * (480 + 4)

    (folder / names[0]).unlink()
    with pytest.raises(FileNotFoundError, match=names[0]):
        draw_worst_cases(config, folder, tmp_path / "worst.png")
    cv2.imwrite(str(folder / names[0]), labels[0][:10])
    with pytest.raises(ValueError, match=r"\(10, 128\) pixels.*\(64, 128\)"):
        draw_worst_cases(config, folder, tmp_path / "worst.png")


def test_worst_streets_of_an_evaluation(streets, tmp_path, capsys):
    """From what `mim test --out` writes to the picture."""
    cfg = seg_config(streets)
    cfg.merge_from_dict(
        {
            "test_evaluator.output_dir": str(tmp_path / "labels"),
            "test_evaluator.keep_results": True,
            "test_dataloader.num_workers": 0,
            "test_dataloader.persistent_workers": False,
            "work_dir": str(tmp_path / "run"),
        }
    )
    init_default_scope("mmseg")
    Runner.from_cfg(cfg).test()
    capsys.readouterr()
    root = f"test_dataloader.dataset.data_root={streets}"
    args = (tmp_path / "labels", "--out", tmp_path / "w.png", "--number", 2)
    assert run_tool("analyze", "worst", SEG, *args, "--cfg-options", root) == 0
    assert "3 images, mIoU 0." in capsys.readouterr().out
    assert len(json.loads((tmp_path / "w.json").read_text())) == 3


@pytest.mark.parametrize(
    "name, words",
    [
        ("val.keypoints.png", "val.keypoints.json would be written over"),
        ("labels/worst.png", "worst.png would be written over or among"),
        ("worst.txt", "an image file is needed, as worst.png"),
        ("worst.json", "an image file is needed, as worst.png"),
    ],
)
def test_predictions_are_not_replaced(people, tmp_path, capsys, name, words):
    results = tmp_path / "val.keypoints.json"
    results.write_text(json.dumps(results_of(people, lambda image_id: 0.0)))
    before = results.read_bytes()
    labels = tmp_path / "labels"
    labels.mkdir()
    predictions = labels if name.startswith("labels/") else results
    config = SEG if predictions == labels else POSE
    root = ("--cfg-options", f"test_dataloader.dataset.data_root={people}")
    out = ("--out", tmp_path / name)
    assert run_tool("analyze", "worst", config, predictions, *out, *root) == 2
    error = capsys.readouterr().err
    assert f"--out {tmp_path / name}: " in error and words in error
    assert results.read_bytes() == before and not list(labels.iterdir())


def test_bad_arguments(people, tmp_path, capsys):
    root = ("--cfg-options", f"test_dataloader.dataset.data_root={people}")
    other = tmp_path / "other.json"
    other.write_text(json.dumps([dict(image_id=7, keypoints=[0] * 51)]))
    few = tmp_path / "few.json"
    image_id = min(COCO(str(people / VAL)).imgs)
    few.write_text(json.dumps([dict(image_id=image_id, keypoints=[0] * 48)]))
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([dict(image_id=image_id, bbox=[0, 0, 1, 1])]))
    detection = tmp_path / "det.py"
    detection.write_text('default_scope = "mmdet"\nmodel = dict()\n')
    nowhere = (root[0], f"{root[1]}/none")
    cases = {
        (POSE, tmp_path / "no.json", *root): "no.json: there is no such file",
        (POSE, other, *nowhere): "val2017.json: there is no such file",
        (POSE, other, *root): "image 7, 17 keypoints; the data set has 4 images",
        (POSE, few, *root): "16 keypoints",
        (POSE, boxes, *root): "no result of CocoMetric",
        (tmp_path / "no.py", other): "config",
        (detection, other): "default_scope='mmdet'",
        (POSE, other, "--number", 0): "number=0",
        (SEG, tmp_path / "labels"): "there is no such folder",
    }
    out = ("--out", tmp_path / "w.png")
    for arguments, words in cases.items():
        config, results, *options = arguments
        assert run_tool("analyze", "worst", config, results, *out, *options) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "w.png").exists()
