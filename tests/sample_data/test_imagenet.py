"""Generated shapes: what is written, and that it is the same each time."""

import cv2
import numpy as np
import pytest

from mmlitehrnet.sample_data import imagenet, make_imagenet, output


def test_files_are_those_that_mmpretrain_reads(tmp_path):
    from mmpretrain.datasets import ImageNet

    folder = make_imagenet(tmp_path / "a", 7, 2, size=(48, 64), quiet=True)
    data = ImageNet(data_root=str(folder), split="train")
    assert [data[i]["gt_label"] for i in range(len(data))] == [0, 1, 2, 3, 4, 5, 0]
    for i in range(len(data)):
        assert cv2.imread(data[i]["img_path"]).shape == (48, 64, 3)
        assert list(imagenet.SHAPES)[data[i]["gt_label"]] in data[i]["img_path"]
    again = make_imagenet(tmp_path / "b", 7, 2, size=(48, 64), quiet=True)
    for path in folder.rglob("*.*"):
        assert path.read_bytes() == (again / path.relative_to(folder)).read_bytes()


def test_shapes_differ():
    images = [
        imagenet.draw_shape(output.generator("test", 0, "train", 0), (64, 64), label)
        for label in range(len(imagenet.SHAPES))
    ]
    for i, image in enumerate(images):
        for other in images[:i]:
            assert np.abs(image.astype(int) - other).max() > 50


def test_small_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="size=16x64"):
        make_imagenet(tmp_path, 1, 1, size=(16, 64), quiet=True)
