"""The runner gives what MMPose's own inference gives."""

import json
import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import openvino
import pytest
import torch
from mmengine.config import Config
from mmpose.apis import inference_topdown, init_model
from mmpose.codecs import MSRAHeatmap, SimCCLabel, UDPHeatmap
from mmpose.codecs.utils import gaussian_blur
from mmpose.models import PoseDataPreprocessor
from mmpose.structures.bbox import get_udp_warp_matrix, get_warp_matrix

from mmlitehrnet.deploy import runner
from mmlitehrnet.deploy.export import export_onnx, write_metadata
from mmlitehrnet.deploy.pose import pose_task
from mmlitehrnet.deploy.runner import DECODERS, PoseRunner, PoseTask, crop, region_of
from tests.models.deployed.networks import table
from tests.tools import load_tool

CONFIG = "configs/pose/litehrnet_18_coco_256x192.py"
RECIPES = ("dark", "simcc", "udp")
SIZES = dict(input_size=(192, 256), heatmap_size=(48, 64))
#: Of the backbone, so that it is quickly exported.
SMALL = {"model.backbone.arch": None, "model.backbone.extra": table("LITE", 1)}
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
        return runner.warp(
            np.atleast_3d(image), cv2.invertAffineTransform(matrix), size
        )

    if not SAME_OPENCV:
        monkeypatch.setattr(cv2, "warpAffine", warp_affine)


def scene(seed=0):
    """An image with smooth and sharp parts."""
    noise = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)
    return cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)


def pose_model(config=CONFIG, **changes):
    """A model with PyTorch's default weights, which are well-conditioned."""
    torch.manual_seed(0)
    changes["model.head.in_channels"] = 64 if "simcc" in config else 16
    model = init_model(config, device="cpu", cfg_options=SMALL | changes)
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return model.eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model = pose_model()
    path = tmp_path_factory.mktemp("runner") / "pose.onnx"
    difference = export_onnx(model, path, (256, 192), dynamic_batch=True)
    assert difference.relative < 1e-4
    return model, path


def test_runner_needs_no_openmmlab_and_no_torch(tmp_path):
    code = (
        "import sys, importlib.util as u\n"
        f"s = u.spec_from_file_location('runner', {runner.__file__!r})\n"
        "m = u.module_from_spec(s); sys.modules['runner'] = m\n"
        "s.loader.exec_module(m)\n"
        "heavy = {'torch', 'mmpose', 'mmcv', 'mmengine', 'cv2'} & set(sys.modules)\n"
        "heavy |= set(m.RUNTIMES) & set(sys.modules)\n"
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


def test_crop_of_udp_is_that_of_mmpose():
    image = scene()
    for box in BOXES:
        region = region_of(np.array(box), (192, 256), 1.25)
        matrix = get_udp_warp_matrix(region.center, region.scale, 0.0, (192, 256))
        expected = cv2.warpAffine(image, matrix, (192, 256), flags=cv2.INTER_LINEAR)
        found = crop(image, region, (192, 256), use_udp=True).astype(int)
        # Rounding to 1/32 pixel may differ after sums in single precision.
        assert np.abs(found - expected).max() <= max(LARGEST_DIFFERENCE, 255 * 2 / 32)
        assert np.abs(found - expected).mean() < 0.5


def heatmaps():
    """Noise, and peaks as a trained network gives them."""
    maps = np.random.default_rng(0).normal(size=(30, 64, 48)).astype(np.float32)
    maps[3] = -1  # No positive value.
    maps[4, 0, 0] = maps[5, 63, 47] = maps[6, 1, 1] = 9
    maps[7, 5, 0] = maps[8, 0, 5] = maps[9, 5, 1] = 9
    y, x = np.mgrid[:64, :48]
    for k, middle in enumerate(np.random.default_rng(1).uniform(0, 45, (18, 2))):
        maps[12 + k] = np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / 8)
    return maps


@pytest.mark.parametrize(
    "decoder, codec",
    [
        ("shift", MSRAHeatmap(**SIZES, sigma=2)),
        ("dark", MSRAHeatmap(**SIZES, sigma=2, unbiased=True)),
        ("dark_udp", UDPHeatmap(**SIZES, sigma=2)),
    ],
)
def test_heatmaps_are_decoded_as_by_mmpose(decoder, codec):
    maps = heatmaps()
    points, scores = codec.decode(maps)
    task = PoseTask((192, 256), blur_kernel_size=0 if decoder == "shift" else 11)
    ours, our_scores = DECODERS[decoder].decode([maps], task)
    np.testing.assert_allclose(our_scores, scores[0])
    # What noise gives is as far as its nearly flat maps allow.
    error = np.abs(ours * task.input_size - points[0])
    assert error[12:].max() < 1e-3 and np.median(error[:12]) < 1e-3
    if decoder == "dark_udp":  # MMPose moves one that is not found.
        assert np.array_equal(ours[3], [-1 / 47, -1 / 63])
    else:
        assert error[3].max() < 1e-4


def test_simcc_is_decoded_as_by_mmpose():
    rng = np.random.default_rng(0)
    codec = SimCCLabel((192, 256), simcc_split_ratio=1.7)
    outputs = [rng.normal(size=(9, n)).astype(np.float32) for n in (326, 435)]
    outputs[0][4] = -1  # No positive value.
    points, scores = codec.decode(*outputs)
    task = PoseTask((192, 256), split_ratio=1.7)
    ours, our_scores = DECODERS["simcc"].decode(outputs, task)
    np.testing.assert_allclose(our_scores, scores[0])
    np.testing.assert_allclose(ours * task.input_size, points[0], rtol=1e-6)


def test_filter_is_that_of_mmpose():
    maps = heatmaps()
    positive = maps[maps.max((1, 2)) > 0]
    np.testing.assert_allclose(
        runner.gaussian_filter(positive, 11),
        gaussian_blur(positive.copy(), 11),
        atol=1e-5,
    )


def assert_keypoints_of_mmpose(model, path, image=None, boxes=BOXES, largest=0.01):
    image = scene() if image is None else image
    results = inference_topdown(model, image, np.array(boxes, np.float32))
    points, scores = PoseRunner(path, num_threads=1)(image, boxes)
    expected = np.concatenate([r.pred_instances.keypoints for r in results])
    likely = np.concatenate([r.pred_instances.keypoint_scores for r in results])
    np.testing.assert_allclose(scores, likely, rtol=0.005, atol=1e-4)
    assert points.shape == expected.shape
    assert np.abs(points - expected)[likely > 0].max() <= largest


@pytest.mark.parametrize("flip_test", [True, False])
def test_keypoints_are_those_of_mmpose(
    exported, flip_test, tmp_path, sampling_of_opencv_4
):
    model, path = exported
    model.test_cfg["flip_test"] = flip_test
    write_task(path, tmp_path / "flip.onnx", flip_test=flip_test)
    assert_keypoints_of_mmpose(model, tmp_path / "flip.onnx")


def write_task(path, other, **changes):
    """Copy a file with changes to what it says of its surroundings."""
    task = PoseRunner(path).task._replace(**changes)
    other.write_bytes(Path(path).read_bytes())
    write_metadata(other, runner.METADATA_KEY, json.dumps(task._asdict()))


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_give_the_keypoints_of_mmpose(recipe, tmp_path, sampling_of_opencv_4):
    model = pose_model(f"configs/pose/recipes/litehrnet_18_{recipe}_coco_256x192.py")
    path = tmp_path / "pose.onnx"
    assert export_onnx(model, path, (256, 192)).relative < 1e-4
    assert_keypoints_of_mmpose(model, path, largest=0.5)
    if recipe == "simcc":
        task = PoseRunner(path).task
        with pytest.raises(ValueError, match=r"split_ratio must be .*\[384, 512\]"):
            PoseRunner(path, task._replace(split_ratio=1.0))
    runners = [PoseRunner(path, num_threads=1, runtime=r) for r in runner.RUNTIMES]
    (points, scores), (others, other_scores) = (run(scene(), BOXES) for run in runners)
    np.testing.assert_allclose(scores, other_scores, rtol=1e-3, atol=1e-5)
    assert (np.abs(points - others).max(-1) < 0.01).mean() > 0.95


MEGVII = dict(_delete_=True, type="MegviiHeatmap", kernel_size=11, **SIZES)
PIPELINE = "test_dataloader.dataset.pipeline"


def steps(box=None, affine=None, more=()):
    return [
        dict(type="LoadImage"),
        dict(type="GetBBoxCenterScale", **(box or {})),
        dict(type="TopdownAffine", input_size=(192, 256), **(affine or {})),
        *more,
        dict(type="PackPoseInputs"),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {PIPELINE: steps(dict(padding=1.0))},
        {PIPELINE: steps(dict(padding=1.5), dict(use_udp=True))},
        {"model.test_cfg.output_keypoint_indices": [4, 3, 2]},
    ],
)
def test_what_the_config_says_is_done(changes, tmp_path, sampling_of_opencv_4):
    model = pose_model(**changes)
    export_onnx(model, tmp_path / "pose.onnx", (256, 192))
    assert_keypoints_of_mmpose(model, tmp_path / "pose.onnx")


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"model.head.decoder": MEGVII}, "codec MegviiHeatmap"),
        ({"model.test_cfg.flip_mode": "offset"}, "test_cfg.flip_mode='offset'"),
        ({PIPELINE: steps(more=[dict(type="Albumentation")])}, "Albumentation in its"),
        ({PIPELINE: steps()[:2]}, "without GetBBoxCenterScale, TopdownAffine"),
        ({"model.head.decoder.input_size": (96, 128)}, r"a codec for \(96, 128\)"),
        ({"model.data_preprocessor.pad_size_divisor": 100}, "pad_size_divisor=100"),
        (dict(recipe="udp", heatmap_type="combined"), "UDPHeatmap with .*combined"),
        (dict(recipe="simcc", use_dark=True), "SimCCLabel with .*'use_dark': True"),
    ],
)
def test_what_the_runner_cannot_do_is_named_at_export(changes, match, tmp_path):
    path, config = tmp_path / "pose.onnx", CONFIG
    if "recipe" in changes:
        (_, recipe), (name, value) = changes.items()
        config = f"configs/pose/recipes/litehrnet_18_{recipe}_coco_256x192.py"
        changes = {f"model.head.decoder.{name}": value}
    model = pose_model(config, **changes)
    with pytest.raises(ValueError, match=match):
        export_onnx(model, path, (256, 192))
    assert not path.exists()
    if "MegviiHeatmap" in match:
        export_onnx(model, path, (256, 192), network_only=True)
        with pytest.raises(ValueError, match="does not say what surrounds the network"):
            PoseRunner(path)


def test_flip_indices_are_those_of_mmposes_init_model(tmp_path):
    """Of the checkpoint, else of the data set that is trained on, else COCO's."""
    tool, config = load_tool("export_onnx"), Config.fromfile(CONFIG)
    config.train_dataloader.dataset.metainfo = dict(
        from_file="configs/_base_/datasets/mpii.py"
    )
    mpii, coco = 16, list(range(17))
    assert len(tool.dataset_meta(config, {})["flip_indices"]) == mpii
    meta = dict(dataset_meta=dict(flip_indices=coco))
    assert tool.dataset_meta(config, meta)["flip_indices"] == coco
    config.pop("train_dataloader")
    assert len(tool.dataset_meta(config, {})["flip_indices"]) == 17


def test_files_of_before_and_of_later_versions(exported, tmp_path):
    _, path = exported
    task = PoseRunner(path).task._asdict()
    old, later = tmp_path / "old.onnx", tmp_path / "later.onnx"
    for other in (old, later):
        other.write_bytes(path.read_bytes())
    for name in ("use_udp", "decoder", "split_ratio", "keypoint_indices"):
        del task[name]
    write_metadata(old, runner.METADATA_KEY, json.dumps(task))
    assert PoseRunner(old).task == PoseRunner(path).task
    task["tilt"] = 3
    write_metadata(later, runner.METADATA_KEY, json.dumps(task))
    with pytest.raises(ValueError, match=r"a later runner.* \['tilt'\]"):
        PoseRunner(later)


@pytest.mark.parametrize("channels", [1, 4])
def test_images_have_the_channels_of_the_network(
    channels, tmp_path, sampling_of_opencv_4
):
    changes = {
        "model.backbone.in_channels": channels,
        "model.data_preprocessor": dict(
            _delete_=True, type="PoseDataPreprocessor", mean=[100], std=[60]
        ),
    }
    model = pose_model(**changes)
    path = tmp_path / "pose.onnx"
    export_onnx(model, path, (256, 192))
    image = np.concatenate((scene(), scene(1)), axis=2)[..., :channels]
    assert_keypoints_of_mmpose(model, path, image.squeeze())
    run = PoseRunner(path, num_threads=1)
    if channels == 1:
        points, _ = run(image, BOXES)
        np.testing.assert_array_equal(points, run(image[..., 0], BOXES)[0])
    with pytest.raises(ValueError, match=rf"\(H, W, {channels}\).*got \(240, 320, 3\)"):
        run(scene(), BOXES)


def test_one_image_at_a_time_is_the_same(exported, tmp_path):
    model, path = exported
    fixed = tmp_path / "fixed.onnx"
    export_onnx(model, fixed, (256, 192))
    image = scene()
    points, scores = PoseRunner(fixed, num_threads=1)(image, BOXES, False)
    others, other_scores = PoseRunner(path, num_threads=1)(image, BOXES, False)
    np.testing.assert_allclose(scores, other_scores, rtol=1e-4)
    assert (np.abs(points - others).max(-1) < 0.01).mean() > 0.95


@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("persons", [1, 2, 3])
def test_images_side_by_side_are_as_one_after_the_other(exported, persons, flip_test):
    boxes, image = BOXES[:persons], scene()
    found = PoseRunner(exported[1], num_threads=2)(image, boxes, flip_test)
    expected = PoseRunner(exported[1], num_threads=1)(image, boxes, flip_test)
    for value, like in zip(found, expected):
        np.testing.assert_allclose(value, like, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("persons", [1, 3])
@pytest.mark.parametrize("threads", [1, 2])
def test_openvino_gives_the_same(exported, threads, persons, flip_test):
    """Of a file whose batch is not fixed, all threads on one and one on each."""
    boxes, (_, path) = BOXES[:persons], exported
    run = PoseRunner(path, num_threads=threads, runtime="openvino")
    assert run.task == PoseRunner(path).task
    found = run(scene(), boxes, flip_test)
    expected = PoseRunner(path, num_threads=1)(scene(), boxes, flip_test)
    for value, like in zip(found, expected):
        np.testing.assert_allclose(value, like, rtol=1e-4, atol=1e-3)


def test_openvino_in_bfloat16(exported):
    """Close to single precision, and not in it; the streams of several persons too."""
    run, half = (
        PoseRunner(exported[1], num_threads=2, runtime="openvino", precision=precision)
        for precision in ("float32", "bfloat16")
    )
    for boxes in (BOXES[:1], BOXES):
        (_, scores), (_, others) = run(scene(), boxes), half(scene(), boxes)
        np.testing.assert_allclose(others, scores, atol=0.05 * scores.max())
    known = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert np.array_equal(others, scores) == ("BF16" not in known)


def test_openvino_makes_its_tables_before_threads_come(exported, monkeypatch):
    """Else the first call of several persons hung, in one of eight processes."""
    tables, core, tensor = [], openvino.Core, openvino.Tensor
    monkeypatch.setattr(openvino, "Tensor", lambda x: tables.append(x) or tensor(x))
    monkeypatch.setattr(openvino, "Core", lambda: [core() for _ in tables][0])
    PoseRunner(exported[1], runtime="openvino")


def test_openvino_on_fixed_batches(tmp_path):
    model = pose_model()
    fixed = tmp_path / "fixed.onnx"
    export_onnx(model, fixed, (256, 192), target="openvino", batch_size=2)
    run = PoseRunner(fixed, num_threads=2, runtime="openvino")
    points, _ = run(scene(), BOXES, False)  # one batch is not full
    expected, _ = PoseRunner(fixed, num_threads=1)(scene(), BOXES, False)
    np.testing.assert_allclose(points, expected, atol=0.01)
    write_metadata(fixed, "another", "")
    with pytest.raises(ValueError, match="does not say what surrounds the network"):
        PoseRunner(fixed, runtime="openvino")


def test_size_is_that_of_the_file(exported, tmp_path):
    model, path = exported
    small = tmp_path / "small.onnx"
    export_onnx(model, small, (128, 96))
    run = PoseRunner(small, num_threads=1)
    assert tuple(run.task.input_size) == (96, 128)
    assert run(scene(), BOXES)[0].shape == (3, 17, 2)
    with pytest.raises(ValueError, match=r"\(192, 256\), got .96, 128"):
        PoseRunner(path, run.task)


def test_a_model_that_does_not_normalise_its_images():
    model = pose_model()
    model.data_preprocessor = PoseDataPreprocessor()
    task = pose_task(model)
    assert (task.mean, task.std, task.rgb) == ((0,), (1,), False)


@pytest.mark.parametrize("boxes", [[], np.zeros((0, 4))])
def test_no_boxes_give_no_keypoints(exported, boxes):
    """In arrays that can be joined with those of other images."""
    run = PoseRunner(exported[1], num_threads=1)
    points, scores = run(scene(), boxes)
    assert points.shape == (0, 17, 2) and scores.shape == (0, 17)
    run.task = run.task._replace(keypoint_indices=(3, 1))
    assert run(scene(), boxes)[0].shape == (0, 2, 2)


def call_in_child(run, connection):
    connection.send(run(scene(), BOXES, True))


@pytest.mark.parametrize("runtime", runner.RUNTIMES)
def test_a_forked_process_opens_the_file_anew(exported, runtime):
    """Threads do not survive a fork: in a child, a runner that was used would hang."""
    run = PoseRunner(exported[1], num_threads=2, runtime=runtime)
    expected = run(scene(), BOXES, True)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=call_in_child, args=(run, theirs))
    child.start()
    try:
        assert ours.poll(60)
        for value, like in zip(ours.recv(), expected):
            np.testing.assert_allclose(value, like, rtol=1e-5, atol=1e-4)
    finally:
        child.kill()
        child.join()


def test_a_copy_is_as_the_runner(exported):
    task = PoseRunner(exported[1]).task._replace(padding=1.5)
    run = PoseRunner(exported[1], task, 3, runtime="openvino", precision="bfloat16")
    copy = pickle.loads(pickle.dumps(run))  # as for a process that is not forked
    assert (copy.task, copy.num_threads) == (task, 3)
    assert copy._open.func is run._open.func
    assert copy._open.keywords == dict(precision="bfloat16")


def test_threads_share_what_is_opened(exported):
    run, opened = PoseRunner(exported[1], num_threads=2), []
    expected = run(scene(), BOXES, False)
    run._opened.popitem()
    once = run._open
    run._open = lambda **options: opened.append(options) or once(**options)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: run(scene(), BOXES, False), range(8)))
    assert opened == [dict(streams=2)]
    for points, _ in found:
        np.testing.assert_allclose(points, expected[0], atol=1e-3)


def test_bad_input_is_named(exported):
    run = PoseRunner(exported[1], num_threads=1)
    image = scene()
    for error, match, arguments in (
        (TypeError, "image must be an array of uint8, got float64", (image * 0.5,)),
        (ValueError, r"image must .* got \(240, 320\)", (image[..., 0],)),
        (ValueError, r"boxes must .* got \(1, 3\)", (image, [[1, 2, 3]])),
        (ValueError, r"boxes must .* got \(0, 5\)", (image, np.zeros((0, 5)))),
        (TypeError, "boxes must be numbers", (image, [["left", 2, 3, 4]])),
        (TypeError, "boxes must be numbers", (image, [[1, 2, 3, 4], [1, 2]])),
        (ValueError, "left < right .* got", (image, [[10, 10, 5, 20]])),
        (ValueError, "left < right .* got", (image, [[10, 10, 10, 20]])),
        (ValueError, "in pixels, got .*e.30", (image, [[0, 0, 1e30, 1e30]])),
        (ValueError, "in pixels, got .*nan", (image, [[0, 0, np.nan, 9]])),
        (ValueError, "flip_test must be .* 'no'", (image, BOXES, "no")),
    ):
        with pytest.raises(error, match=match):
            run(*(arguments if len(arguments) > 1 else (*arguments, BOXES)))
    run.task = run.task._replace(flip_indices=None)
    with pytest.raises(ValueError, match="needs flip_indices"):
        run(scene(), BOXES, flip_test=True)


@pytest.mark.parametrize(
    "error, match, options",
    [
        (TypeError, "providers must be a list of names", dict(providers="CPU")),
        (TypeError, "providers must be a list of names", dict(providers=None)),
        (ValueError, r"providers must have .*CPU.*, got \['C", dict(providers=["C"])),
        (ValueError, "runtime must be one of .* 'ncnn'", dict(runtime="ncnn")),
        (ValueError, "runtime must be one of .*", dict(runtime=["openvino"])),
        (
            ValueError,
            "providers must be left out for runtime='op",
            dict(providers=["CUDA"], runtime="openvino"),
        ),
        (ValueError, "precision must be .* 'bfloat16'", dict(precision="bfloat16")),
        (
            ValueError,
            "precision must be .* 'bf16'",
            dict(precision="bf16", runtime="openvino"),
        ),
        (ValueError, "num_threads must be a positive .* 0", dict(num_threads=0)),
        (ValueError, "num_threads must be .* '2'", dict(num_threads="2")),
        (TypeError, "task must be a PoseTask, got dict", dict(task={})),
        (FileNotFoundError, "path nowhere: there is no", dict(path="nowhere")),
    ],
)
def test_bad_options_are_named(exported, error, match, options):
    with pytest.raises(error, match=match):
        PoseRunner(**{"path": exported[1]} | options)


def test_a_task_that_does_not_fit_is_named(exported):
    """Instead of keypoints that are wrong."""
    task = PoseRunner(exported[1]).task
    for match, fields in {
        "blur_kernel_size must be 0 or odd, got 4": dict(blur_kernel_size=4),
        "blur_kernel_size must be odd, got 0": dict(decoder="dark", blur_kernel_size=0),
        r"flip_indices must be .* 17 .*, got \(1, 0\)": dict(flip_indices=(1, 0)),
        r"keypoint_indices .* 17 .*, got \(17,\)": dict(keypoint_indices=(17,)),
        "decoder must be one of .*, got 'Megvii'": dict(decoder="Megvii"),
        "'simcc' needs 2 outputs .* has 1": dict(decoder="simcc"),
        r"input_size must be .*, got \(192,\)": dict(input_size=(192,)),
        r"mean must be 1 or 3 numbers, got \(1, 2\)": dict(mean=(1, 2)),
        "std must be 3 positive numbers, .*, got .*0": dict(std=(1, 1, 0)),
        "padding must be positive, got 0": dict(padding=0),
    }.items():
        with pytest.raises(ValueError, match=match):
            PoseRunner(exported[1], task._replace(**fields))


@pytest.mark.skipif(not REAL_IMAGES.is_dir(), reason="no ../shared/data/coco")
def test_keypoints_on_real_images(exported, sampling_of_opencv_4):
    model, path = exported
    model.test_cfg["flip_test"] = True
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
        assert_keypoints_of_mmpose(model, path, image, boxes, largest=0.5)
