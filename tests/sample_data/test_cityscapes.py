"""Generated streets: format, truth of the labels, reproducibility, errors."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmlitehrnet.sample_data import (
    cityscapes,
    make_cityscapes,
    output,
    scenes,
    vehicles,
)
from mmlitehrnet.sample_data.city_labels import ID, LABELS, TRAIN_ID, VOID
from mmlitehrnet.sample_data.view import View
from tests.tools import load_tool

TRAIN, VAL = 3, 12
SIZE = (128, 256)
REAL = Path(__file__).parents[2] / "shared/data/cityscapes/gtFine/val/frankfurt"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("cityscapes")
    return make_cityscapes(out, TRAIN, VAL, size=SIZE, quiet=True)


@pytest.fixture(scope="module")
def streets():
    """Eight streets: (image, label ids)."""
    return [
        scenes.draw_street(output.generator("test", 1, "train", index), SIZE, index)
        for index in range(8)
    ]


def blank_view(size=(160, 320)):
    return View(
        canvas=np.full((*size, 3), 200, np.float32),
        labels=np.zeros(size, np.int32),
        focal=300.0,
        center=(size[1] / 2, size[0] * 0.45),
        height=1.4,
        sun=np.array([0.5, 0.7, -0.5]),
    )


def digests(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*.png"))
    }


# --------------------------------------------------------------------- labels


def test_train_ids_are_those_of_mmsegmentation():
    from mmseg.datasets import CityscapesDataset

    classes = CityscapesDataset.METAINFO["classes"]
    assert len(classes) == 19
    assert {name: train for name, (_, train) in LABELS.items() if train != VOID} == {
        name: index for index, name in enumerate(classes)
    }
    assert len(set(ID.values())) == len(ID)
    assert (np.delete(TRAIN_ID, [ID[name] for name in classes]) == VOID).all()


def test_ids_are_those_of_the_real_data():
    if not REAL.is_dir():
        pytest.skip(f"no real Cityscapes image at {REAL}")
    stem = "frankfurt_000000_000294_gtFine"
    ids = cv2.imread(str(REAL / f"{stem}_labelIds.png"), cv2.IMREAD_UNCHANGED)
    train = cv2.imread(str(REAL / f"{stem}_labelTrainIds.png"), cv2.IMREAD_UNCHANGED)
    # The two maps were made smaller one by one, so their borders differ a little.
    assert (TRAIN_ID[ids] == train).mean() > 0.95


# --------------------------------------------------------------------- format


def test_files_lie_as_in_cityscapes(folder):
    for split, count in (("train", TRAIN), ("val", VAL)):
        images = sorted(folder.glob(f"leftImg8bit/{split}/*/*_leftImg8bit.png"))
        assert len(images) == count
        assert len({path.parent.name for path in images}) > 1
        for path in images:
            city = path.parent.name
            assert path.name.startswith(f"{city}_")
            stem = path.name.removesuffix("_leftImg8bit.png")
            truth = folder / "gtFine" / split / city
            ids, train = (
                cv2.imread(str(truth / f"{stem}_gtFine_{kind}.png"), -1)
                for kind in ("labelIds", "labelTrainIds")
            )
            assert cv2.imread(str(path), -1).shape == (*SIZE, 3)
            assert ids.shape == train.shape == SIZE
            assert ids.dtype == train.dtype == np.uint8
            assert (TRAIN_ID[ids] == train).all()
            assert set(np.unique(ids)) <= set(ID.values())
    assert not set(cityscapes.CITIES["train"]) & set(cityscapes.CITIES["val"])


def test_mmsegmentation_reads_it_and_the_truth_scores_100(folder):
    from mmcv.transforms import LoadImageFromFile
    from mmengine.structures import PixelData
    from mmseg.datasets import CityscapesDataset
    from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs
    from mmseg.evaluation import IoUMetric

    dataset = CityscapesDataset(
        data_root=str(folder),
        data_prefix=dict(img_path="leftImg8bit/val", seg_map_path="gtFine/val"),
        pipeline=[LoadImageFromFile(), LoadAnnotations(), PackSegInputs()],
    )
    assert len(dataset) == VAL
    truth, blank = IoUMetric(), IoUMetric()
    truth.dataset_meta = blank.dataset_meta = dataset.metainfo
    seen = set()
    for index in range(VAL):
        item = dataset[index]
        sample = item["data_samples"]
        assert item["inputs"].shape == (3, *SIZE)
        labels = sample.gt_sem_seg.data
        seen |= set(labels.unique().tolist())
        # In evaluation a network never predicts void.
        sample.pred_sem_seg = PixelData(data=labels.clone().clamp(max=18))
        truth.process({}, [sample.to_dict()])
        sample.pred_sem_seg = PixelData(data=labels.clone().fill_(0))
        blank.process({}, [sample.to_dict()])
    assert seen == {*range(19), VOID}
    assert truth.evaluate(VAL)["mIoU"] == pytest.approx(100)
    assert blank.evaluate(VAL)["mIoU"] < 5


# ------------------------------------------------------- what the labels mean


def test_streets_look_like_streets(streets):
    rows = np.arange(SIZE[0])[:, None]
    for image, ids in streets:
        assert image.shape == (*SIZE, 3) and image.dtype == np.uint8
        # The sky is above, the road below, the camera's own car at the bottom.
        mean_row = {
            name: (rows * (ids == ID[name])).sum() / max((ids == ID[name]).sum(), 1)
            for name in ("sky", "road", "ego vehicle")
        }
        assert mean_row["road"] < mean_row["ego vehicle"]
        assert mean_row["sky"] < 0.5 * SIZE[0] < mean_row["road"]
        assert 0.1 < (ids == ID["road"]).mean() < 0.6
        assert 0.02 < (TRAIN_ID[ids] == VOID).mean() < 0.25
        frame = np.concatenate([ids[0], ids[-1], ids[:, 0], ids[:, -1]])
        assert (frame == ID["out of roi"]).all()


def test_light_and_colours_vary(streets):
    means = np.array([image.mean((0, 1)) for image, _ in streets])
    assert means.mean(1).std() > 4
    assert all(image.std() > 25 for image, _ in streets)


@pytest.mark.parametrize("kind", vehicles.VEHICLES)
@pytest.mark.parametrize("heading", [0, 60, 90, 180])
def test_a_vehicle_is_labelled_where_it_is_drawn(kind, heading):
    view = blank_view()
    # Without the shadow, which the ground keeps.
    view.__class__.shadow, shadow = lambda *args: None, view.__class__.shadow
    try:
        rng = np.random.default_rng(0)
        vehicles.draw_vehicle(rng, view, kind, 1.0, 22.0, heading)
    finally:
        view.__class__.shadow = shadow
    label = ID[vehicles.VEHICLES[kind].label]
    assert set(np.unique(view.labels)) == {0, label}
    changed = np.abs(view.canvas - 200).max(-1) > 12
    marked = view.labels == label
    assert (changed & marked).sum() / (changed | marked).sum() > 0.85
    # It stands on the ground: its lowest point is the nearest end of the wheels.
    length, width, height = vehicles.VEHICLES[kind].size
    bottom = np.nonzero(marked.any(1))[0].max()
    nearest = 22.0 - max(length, width) / 2 - 0.5
    assert view.center[1] < bottom <= view.project([(0, 0, nearest)])[0, 1] + 1


def test_a_nearer_car_is_larger_and_lower():
    areas, bottoms = [], []
    for distance in (10, 20, 40):
        view = blank_view()
        rng = np.random.default_rng(0)
        vehicles.draw_vehicle(rng, view, "saloon", 0.0, distance, 0)
        marked = view.labels == ID["car"]
        areas.append(marked.sum())
        bottoms.append(np.nonzero(marked.any(1))[0].max())
    assert areas[0] > 3 * areas[1] > 9 * areas[2] > 0
    assert bottoms[0] > bottoms[1] > bottoms[2]


@pytest.mark.parametrize("kind", vehicles.TWO_WHEELERS)
@pytest.mark.parametrize("heading", [0, 90, 180])
def test_a_rider_sits_on_the_saddle(kind, heading):
    view = blank_view()
    rng = np.random.default_rng(0)
    vehicles.draw_two_wheeler(rng, view, kind, 0.0, 7.0, heading, ridden=True)
    bike, rider = view.labels == ID[kind], view.labels == ID["rider"]
    assert bike.sum() > 40 and rider.sum() > 100
    assert np.nonzero(rider)[0].min() < np.nonzero(bike)[0].min()
    assert np.nonzero(rider)[0].max() < np.nonzero(bike)[0].max()
    parked = blank_view()
    rng = np.random.default_rng(0)
    vehicles.draw_two_wheeler(rng, parked, kind, 0.0, 7.0, heading, ridden=False)
    assert set(np.unique(parked.labels)) == {0, ID[kind]}


def test_nothing_is_drawn_behind_the_camera():
    view = blank_view()
    before = view.canvas.copy()
    view.polygon([(0, 1, -5), (0.1, 1.4, -5), (-0.1, 1.4, -2)], (0, 0, 0), 9)
    view.tube((0, 0, -1), (0, 1, 3), 0.1, (0, 0, 0), 9)
    rng = np.random.default_rng(0)
    vehicles.draw_two_wheeler(rng, view, "bicycle", 0, 0.5, 0, ridden=True)
    assert (view.canvas == before).all() and not view.labels.any()
    # What reaches past the camera is cut off, not folded over.
    view.polygon([(-1, 0, -4), (-1, 0, 30), (1, 0, 30), (1, 0, -4)], (9, 9, 9), 9)
    rows = np.nonzero((view.labels == 9).any(1))[0]
    assert rows.min() > view.center[1] and rows.max() == view.labels.shape[0] - 1


# ------------------------------------------------- reproducibility and errors


def test_the_same_arguments_give_the_same_bytes(tmp_path):
    threads = cv2.getNumThreads()
    try:
        for name, count in (("one", 1), ("many", 4)):
            cv2.setNumThreads(count)
            make_cityscapes(tmp_path / name, 2, 2, seed=5, size=SIZE, quiet=True)
    finally:
        cv2.setNumThreads(threads)
    make_cityscapes(tmp_path / "other", 3, 2, seed=6, size=SIZE, quiet=True)
    make_cityscapes(tmp_path / "more", 3, 2, seed=5, size=SIZE, quiet=True)
    one, many, other, more = (
        digests(tmp_path / name) for name in ("one", "many", "other", "more")
    )
    assert len(one) == 12 and one == many
    assert all(one[name] != other[name] for name in one)
    assert all(one[name] == more[name] for name in one)
    assert len(set(one.values())) == 12


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(num_train=-1, num_val=1), "train=-1"),
        (dict(num_train=0, num_val=0), "at least one image"),
        (dict(num_train=1, num_val=1, seed=-5), "seed=-5"),
        (dict(num_train=1, num_val=1, size=(32, 200)), "size=32x200.*64x128"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        make_cityscapes(tmp_path / "out", quiet=True, **arguments)
    assert not (tmp_path / "out").exists()


def test_the_tool_writes_and_replaces_its_own_output(tmp_path, capsys):
    tool = load_tool("make_sample_data")
    out = tmp_path / "out"
    call = ["cityscapes", str(out), "--val", "1", "--size", "64", "128", "--quiet"]
    assert tool.main([*call, "--train", "5"]) == 0
    assert len(digests(out)) == 18
    assert tool.main([*call, "--train", "1"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    # A smaller set leaves nothing of the larger one: the data set reads all files.
    assert tool.main([*call, "--train", "1", "--overwrite"]) == 0
    assert len(digests(out)) == 6
