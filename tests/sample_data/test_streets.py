"""Generated streets and shapes: read as Cityscapes and ImageNet, with true labels."""

import cv2
import numpy as np
import pytest

from sample_data import imagenet, make_cityscapes, make_imagenet, traffic
from sample_data.cityscapes import TRAIN_ID
from sample_data.drawing import Canvas
from sample_data.traffic import CLASSES

TRAIN, VAL = 3, 12
SIZE = (128, 256)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("cityscapes")
    return make_cityscapes(out, TRAIN, VAL, size=SIZE, quiet=True)


def blank_view():
    image = np.full((160, 320, 3), 200, np.uint8)
    canvas = Canvas(image, np.zeros((160, 320), np.uint8))
    return traffic.View(np.random.default_rng(0), canvas, 300.0, (160, 72), 1.4)


def test_train_ids_are_those_of_mmsegmentation():
    from mmseg.datasets import CityscapesDataset

    assert tuple(CLASSES) == CityscapesDataset.METAINFO["classes"]
    assert [TRAIN_ID[number] for number in CLASSES.values()] == list(range(19))
    assert (np.delete(TRAIN_ID, list(CLASSES.values())) == 255).all()


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
    for item in dataset:
        sample = item["data_samples"]
        labels = sample.gt_sem_seg.data
        seen |= set(labels.unique().tolist())
        # In evaluation a network never predicts void.
        sample.pred_sem_seg = PixelData(data=labels.clone().clamp(max=18))
        truth.process({}, [sample.to_dict()])
        sample.pred_sem_seg = PixelData(data=labels.clone().fill_(0))
        blank.process({}, [sample.to_dict()])
    assert seen == {*range(19), 255}
    assert truth.evaluate(VAL)["mIoU"] == pytest.approx(100)
    assert blank.evaluate(VAL)["mIoU"] < 5


@pytest.mark.parametrize("kind", traffic.VEHICLES)
@pytest.mark.parametrize("heading", [0, 60])
def test_a_vehicle_is_labelled_where_it_is_drawn(kind, heading, monkeypatch):
    # Without the shadow, which belongs to the ground.
    monkeypatch.setattr(traffic.View, "shadow", lambda *args: None)
    view = blank_view()
    traffic.draw(view, kind, 1.0, 22.0, heading)
    marked = view.canvas.labels > 0
    changed = np.abs(view.canvas.image.astype(int) - 200).max(-1) > 12
    assert (changed & marked).sum() / (changed | marked).sum() > 0.8
    assert 72 < np.nonzero(marked.any(1))[0].max() < 150


def test_mmpretrain_reads_the_shapes(tmp_path):
    from mmpretrain.datasets import ImageNet

    folder = make_imagenet(tmp_path, 7, 2, size=(48, 64), quiet=True)
    data = ImageNet(data_root=str(folder), split="train")
    assert [sample["gt_label"] for sample in data] == [0, 1, 2, 3, 4, 5, 0]
    for sample in data:
        assert cv2.imread(sample["img_path"]).shape == (48, 64, 3)
        assert list(imagenet.SHAPES)[sample["gt_label"]] in sample["img_path"]
