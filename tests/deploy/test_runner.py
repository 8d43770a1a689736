"""The runner gives what MMPose's own inference gives."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmpose.apis import inference_topdown, init_model
from mmpose.codecs import MSRAHeatmap
from mmpose.codecs.utils import gaussian_blur
from mmpose.models import PoseDataPreprocessor
from mmpose.structures.bbox import get_warp_matrix

from mmlitehrnet.deploy import runner
from mmlitehrnet.deploy.export import export_onnx, pose_task
from mmlitehrnet.deploy.runner import PoseRunner, crop, decode, region_of

CONFIG = "configs/pose/litehrnet_18_coco_256x192.py"
#: A folder of photographs, if there is one.
REAL_IMAGES = Path(__file__).parents[3] / "shared" / "data" / "coco"
BOXES = [[30.5, 20.0, 120.25, 200.0], [150, 40, 260, 230.5], [-20, -30, 90, 120]]
SAME_OPENCV = int(cv2.__version__.split(".")[0]) == 4
#: Grey levels between two images that sample an image at positions up to 1/64 pixel
#: apart in x and in y, and round: OpenCV 5 does not round positions to 1/32 pixel, as
#: OpenCV 4 and the runner do.
LARGEST_DIFFERENCE = 0 if SAME_OPENCV else 255 * 2 / 64 + 1


def assert_same_crop(found, expected):
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= LARGEST_DIFFERENCE
    assert difference.mean() < 1


@pytest.fixture
def sampling_of_opencv_4(monkeypatch):
    """Let MMPose sample images as with OpenCV 4, where another is installed.

    What remains to be compared is all but the interpolation, which the tests of the
    crops compare.
    """

    def warp_affine(image, matrix, size, flags):
        assert flags == cv2.INTER_LINEAR
        return runner.warp(image, cv2.invertAffineTransform(matrix), size)

    if not SAME_OPENCV:
        monkeypatch.setattr(cv2, "warpAffine", warp_affine)


def scene(seed=0):
    """An image with smooth and sharp parts."""
    noise = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)
    return cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    model = init_model(CONFIG, device="cpu")
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    path = tmp_path_factory.mktemp("runner") / "pose.onnx"
    difference = export_onnx(model.eval(), path, (256, 192), dynamic_batch=True)
    assert difference.relative < 1e-4
    return model, path


def test_runner_needs_no_openmmlab_and_no_torch(tmp_path):
    code = (
        "import sys, importlib.util as u\n"
        f"s = u.spec_from_file_location('runner', {runner.__file__!r})\n"
        "m = u.module_from_spec(s); sys.modules['runner'] = m\n"
        "s.loader.exec_module(m)\n"
        "heavy = {'torch', 'mmpose', 'mmcv', 'mmengine', 'cv2'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.mark.parametrize(
    "box", [*BOXES, [10, 20, 15, 29], [-500, -400, 900, 800], [3.3, 4.7, 311.9, 95.1]]
)
def test_crop_is_that_of_mmpose(box):
    image = scene()
    region = region_of(np.array(box), (192, 256), 1.25)
    matrix = get_warp_matrix(region.center, region.scale, 0.0, (192, 256))
    expected = cv2.warpAffine(image, matrix, (192, 256), flags=cv2.INTER_LINEAR)
    found = crop(image, region, (192, 256))
    assert_same_crop(found, expected)


def test_crops_of_any_box_are_those_of_mmpose():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    for k in range(100):
        left, top, width, height = rng.uniform((-30, -30, 1, 1), (110, 80, 150, 150))
        box = np.array([left, top, left + width, top + height])
        # Detectors' boxes, and annotated ones of whole pixels.
        region = region_of(box if k % 2 else box.round() + [0, 0, 1, 1], (48, 64), 1.25)
        matrix = get_warp_matrix(region.center, region.scale, 0.0, (48, 64))
        expected = cv2.warpAffine(image, matrix, (48, 64), flags=cv2.INTER_LINEAR)
        assert_same_crop(crop(image, region, (48, 64)), expected)


def test_filter_and_decoding_are_those_of_mmpose():
    heatmaps = np.random.default_rng(0).normal(size=(30, 64, 48)).astype(np.float32)
    heatmaps[3] = -1  # No positive value.
    heatmaps[4, 0, 0] = heatmaps[5, 63, 47] = heatmaps[6, 1, 1] = 9
    heatmaps[7, 5, 0] = heatmaps[8, 0, 5] = heatmaps[9, 5, 1] = 9
    codec = MSRAHeatmap((192, 256), (48, 64), 2)
    points, scores = codec.decode(heatmaps)
    ours, our_scores = decode(heatmaps)
    np.testing.assert_allclose(ours * 4, points[0])
    np.testing.assert_allclose(our_scores, scores[0])
    positive = heatmaps[heatmaps.max((1, 2)) > 0]
    np.testing.assert_allclose(
        runner.gaussian_filter(positive, 11),
        gaussian_blur(positive.copy(), 11),
        atol=1e-5,
    )


@pytest.mark.parametrize("flip_test", [True, False])
def test_keypoints_are_those_of_mmpose(exported, flip_test, sampling_of_opencv_4):
    model, path = exported
    model.test_cfg["flip_test"] = flip_test
    image = scene()
    results = inference_topdown(model, image, np.array(BOXES, np.float32))
    points, scores = PoseRunner(path, num_threads=1)(image, BOXES, flip_test)
    assert points.shape == (3, 17, 2) and scores.shape == (3, 17)
    expected = np.stack([r.pred_instances.keypoints[0] for r in results])
    assert np.abs(points - expected).max() <= 0.01
    expected = np.stack([r.pred_instances.keypoint_scores[0] for r in results])
    np.testing.assert_allclose(scores, expected, rtol=0.02, atol=1e-4)


def test_one_image_at_a_time_is_the_same(exported, tmp_path):
    model, path = exported
    fixed = tmp_path / "fixed.onnx"
    export_onnx(model, fixed, (256, 192))
    image = scene()
    points, scores = PoseRunner(fixed, num_threads=1)(image, BOXES, False)
    others, other_scores = PoseRunner(path, num_threads=1)(image, BOXES, False)
    np.testing.assert_allclose(scores, other_scores, rtol=1e-4)
    assert (np.abs(points - others).max(-1) < 0.01).mean() > 0.95


def test_size_is_that_of_the_file(exported, tmp_path):
    model, path = exported
    small = tmp_path / "small.onnx"
    export_onnx(model, small, (128, 96))
    run = PoseRunner(small, num_threads=1)
    assert tuple(run.task.input_size) == (96, 128)
    assert run(scene(), BOXES)[0].shape == (3, 17, 2)
    with pytest.raises(ValueError, match=r"\(192, 256\), but .* \(96, 128\)"):
        PoseRunner(path, run.task)


def test_a_model_that_does_not_normalise_its_images():
    model = init_model(CONFIG, device="cpu")
    model.data_preprocessor = PoseDataPreprocessor()
    task = pose_task(model)
    assert (task.mean, task.std, task.rgb) == ((0, 0, 0), (1, 1, 1), False)


def test_no_boxes_give_no_keypoints(exported):
    points, scores = PoseRunner(exported[1], num_threads=1)(scene(), [])
    assert points.shape[0] == 0 and scores.shape[0] == 0


def test_bad_input_is_named(exported, tmp_path):
    run = PoseRunner(exported[1], num_threads=1)
    with pytest.raises(TypeError, match="image must be an array of uint8, got float64"):
        run(scene().astype(float), BOXES)
    with pytest.raises(ValueError, match=r"image must have shape .* got \(240, 320\)"):
        run(scene()[..., 0], BOXES)
    with pytest.raises(ValueError, match=r"boxes must have shape .* got \(1, 3\)"):
        run(scene(), [[1, 2, 3]])
    with pytest.raises(ValueError, match="left < right"):
        run(scene(), [[10, 10, 5, 20]])
    with pytest.raises(TypeError, match="providers must be a list of names"):
        PoseRunner(exported[1], providers="CPUExecutionProvider")
    with pytest.raises(ValueError, match="blur_kernel_size must be 0 or odd, got 4"):
        PoseRunner(exported[1], run.task._replace(blur_kernel_size=4))
    with pytest.raises(ValueError, match="flip_indices must be .* 17 .*, got 2"):
        PoseRunner(exported[1], run.task._replace(flip_indices=(1, 0)))
    run.task = run.task._replace(flip_indices=None)
    with pytest.raises(ValueError, match="needs flip_indices"):
        run(scene(), BOXES, flip_test=True)


@pytest.mark.skipif(not REAL_IMAGES.is_dir(), reason="no ../shared/data/coco")
def test_keypoints_on_real_images(exported, sampling_of_opencv_4):
    model, path = exported
    model.test_cfg["flip_test"] = True
    run = PoseRunner(path, num_threads=1)
    annotations = json.loads((REAL_IMAGES / "test_coco.json").read_text())
    for info in annotations["images"]:
        image = cv2.imread(str(REAL_IMAGES / info["file_name"]))
        boxes = [
            (x, y, x + width, y + height)
            for x, y, width, height in (
                person["bbox"]
                for person in annotations["annotations"]
                if person["image_id"] == info["id"]
            )
        ]
        results = inference_topdown(model, image, np.array(boxes, np.float32))
        points, scores = run(image, boxes)
        expected = np.concatenate([r.pred_instances.keypoints for r in results])
        assert np.abs(points - expected).max() <= 0.5
        expected = np.concatenate([r.pred_instances.keypoint_scores for r in results])
        np.testing.assert_allclose(scores, expected, rtol=0.01, atol=1e-4)
