"""The runner cuts persons out as MMPose does, and runs files wherever it is copied to.

That its keypoints are MMPose's: test_photographs.py.
"""

import multiprocessing
import os
import pickle
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution, packages_distributions

import cv2
import numpy as np
import openvino
import pytest
from mmpose.datasets.transforms import GetBBoxCenterScale, TopdownAffine

from mmlitehrnet.deploy.export import export_onnx
from mmlitehrnet.deploy.runner import RUNTIMES, PoseRunner, SegRunner
from tests.deploy.models import BOXES, RECIPE, by_mmpose, pose_model, scene
from tests.running import ROOT

#: Needed by a runtime's wheel beside NumPy and OpenCV.
NEEDED = {"onnxruntime": ["flatbuffers", "google.protobuf", "packaging"]}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file for any number of persons, with flip test."""
    path = tmp_path_factory.mktemp("runner") / "pose.onnx"
    export_onnx(pose_model(), path, (256, 192), dynamic_batch=True)
    return path


def assert_close(found, expected, pixels=1e-2):
    for value, like, tolerance in zip(found, expected, (pixels, 1e-4), strict=True):
        np.testing.assert_allclose(value, like, atol=tolerance)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_copied_file_is_enough(runtime, path, tmp_path):
    """Where only NumPy, OpenCV and one runtime are: docs/deployment.md."""
    names = ["numpy", "cv2", runtime, *NEEDED.get(runtime, [])]
    for name in names:
        for each in packages_distributions()[name.split(".")[0]]:
            for file in distribution(each).files:
                top = tmp_path / file.parts[0]
                if file.parts[0] != ".." and not top.exists():
                    # OpenCV looks for its parts where it really lies.
                    link = shutil.copytree if top.name == "cv2" else os.symlink
                    link(distribution(each).locate_file(file.parts[0]), top)
    page = (ROOT / "docs/deployment.md").read_text()
    command, source, target = re.search("^cp .*", page, re.M)[0].split()
    subprocess.run([command, ROOT / source, target], cwd=tmp_path, check=True)
    cv2.imwrite(str(tmp_path / "photo.png"), scene())
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "import cv2; from runner import PoseRunner\n"
        f"run = PoseRunner({str(path)!r}, {runtime!r}, num_threads=1)\n"
        f"keypoints, scores = run(cv2.imread('photo.png'), {BOXES})\n"
        "assert not {'torch', 'mmpose', 'mmlitehrnet'} & set(sys.modules)\n"
        "print(keypoints.shape, float(keypoints.sum()))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    expected = PoseRunner(path, runtime, num_threads=1)(scene(), BOXES)[0].sum()
    *shape, total = done.stdout.rsplit(maxsplit=1)
    assert shape == ["(3, 17, 2)"] and float(total) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("use_udp", [False, True])
def test_crops_are_those_of_mmpose(path, use_udp):
    run, image = PoseRunner(path, num_threads=1), scene()
    run.about |= dict(use_udp=use_udp, padding=1.1)
    size = tuple(run.about["input_size"])
    affine, scaled = TopdownAffine(size, use_udp), GetBBoxCenterScale(1.1)
    rng = np.random.default_rng(0)
    for _ in range(50):
        left, top, width, height = rng.uniform((-30, -30, 1, 1), (300, 220, 400, 300))
        box = np.float32([left, top, left + width, top + height])
        expected = affine(scaled(dict(img=image, bbox=box[None])))["img"]
        found = cv2.warpAffine(image, run._matrix(box), size)
        # With NumPy 1 MMPose computes UDP's matrix in double precision.
        assert np.abs(found.astype(int) - expected).max() <= int(use_udp)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("persons", [1, 3])
def test_threads_and_runtimes_give_the_same(path, runtime, persons):
    """All of them on one person, and one on each of several."""
    expected = PoseRunner(path, num_threads=1)(scene(), BOXES[:persons])
    found = PoseRunner(path, runtime, num_threads=2)(scene(), BOXES[:persons])
    assert_close(found, expected)


def test_files_for_so_many_persons_take_fewer(path, tmp_path):
    fixed = tmp_path / "fixed.onnx"
    export_onnx(pose_model(), fixed, (256, 192), batch_size=2)
    expected = PoseRunner(path, num_threads=1)(scene(), BOXES)
    for runtime in RUNTIMES:
        assert_close(PoseRunner(fixed, runtime)(scene(), BOXES), expected)


def test_files_of_any_size_crop_to_that_of_the_config(path, tmp_path):
    varying = tmp_path / "varying.onnx"
    export_onnx(pose_model(), varying, (128, 96), dynamic_batch=True, dynamic_size=True)
    expected = PoseRunner(path, num_threads=1)(scene(), BOXES)
    assert_close(PoseRunner(varying, num_threads=1)(scene(), BOXES), expected)


@pytest.mark.parametrize("boxes", [[], np.zeros((0, 4))])
def test_no_boxes_give_no_keypoints(path, boxes):
    points, scores = PoseRunner(path, num_threads=1)(scene(), boxes)
    assert points.shape == (0, 17, 2) and scores.shape == (0, 17)


@pytest.mark.parametrize("channels", [1, 4])
def test_images_have_the_channels_of_the_network(channels, tmp_path):
    preprocessor = dict(type="PoseDataPreprocessor", mean=[100], std=[60])
    changes = {
        "model.backbone.in_channels": channels,
        "model.data_preprocessor": dict(_delete_=True, **preprocessor),
    }
    model, path = pose_model(**changes), tmp_path / "pose.onnx"
    export_onnx(model, path, (256, 192))
    image = np.concatenate((scene(), scene(1)), axis=2)[..., :channels].squeeze()
    run = PoseRunner(path, num_threads=1)
    assert_close(run(image, BOXES), by_mmpose(model, image))
    with pytest.raises(ValueError, match=rf"\(H, W, {channels}\), got \(240, 320, 3\)"):
        run(scene(), BOXES)


def test_bfloat16_is_close_to_single_precision(path):
    run, half = (
        PoseRunner(path, "openvino", num_threads=2, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    (_, scores), (_, others) = run(scene(), BOXES), half(scene(), BOXES)
    np.testing.assert_allclose(others, scores, atol=0.05 * scores.max())
    known = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert np.array_equal(others, scores) == ("BF16" not in known)


def call_in_child(run, connection):
    connection.send(run(scene(), BOXES))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_forked_process_opens_the_file_anew(path, runtime):
    """Threads do not survive a fork: in a child, a runner that was used would hang."""
    run = PoseRunner(path, runtime, num_threads=2)
    expected = run(scene(), BOXES)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=call_in_child, args=(run, theirs))
    child.start()
    try:
        assert ours.poll(60)
        assert_close(ours.recv(), expected)
    finally:
        child.kill()
        child.join()


def test_a_copy_is_as_the_runner(path):
    run = PoseRunner(path, "openvino", 3, "bfloat16")
    copy = pickle.loads(pickle.dumps(run))  # as for a process that is not forked
    assert_close(copy(scene(), BOXES), run(scene(), BOXES))


def test_threads_share_a_runner(path):
    run = PoseRunner(path, num_threads=2)
    with ThreadPoolExecutor(8) as pool:
        first, *others = pool.map(lambda _: run(scene(), BOXES), range(8))
    for other in others:
        assert_close(other, first)


def test_bad_input_is_named(path):
    run, image = PoseRunner(path, num_threads=1), scene()
    for error, match, arguments in (
        (TypeError, "image must be an array of uint8, got float64", (image * 0.5,)),
        (ValueError, r"image must .* got \(240, 320\)", (image[..., 0],)),
        (ValueError, r"boxes must .* got \(1, 3\)", (image, [[1, 2, 3]])),
        (ValueError, "left < right.* got", (image, [[10, 10, 5, 20]])),
        (ValueError, "left < right.* got .*nan", (image, [[0, 0, np.nan, 9]])),
    ):
        with pytest.raises(error, match=match):
            run(*(arguments if len(arguments) > 1 else (*arguments, BOXES)))
    for error, match, options in (
        (FileNotFoundError, "path nowhere: there is no", dict(path="nowhere")),
        (ValueError, "runtime must be one of .* 'ncnn'", dict(runtime="ncnn")),
        (ValueError, "num_threads must be a positive int, got 0", dict(num_threads=0)),
        (
            ValueError,
            r"precision must be one of \['float32'\] here, got",
            dict(precision="bfloat16"),
        ),
        (
            ValueError,
            "precision must be one of .*, got 'bf16'",
            dict(precision="bf16", runtime="openvino"),
        ),
        (ValueError, r"providers must have .*, got \['C'\]", dict(providers=["C"])),
    ):
        with pytest.raises(error, match=match):
            PoseRunner(**{"path": path} | options)


def test_other_files_are_named(path, tmp_path):
    network = tmp_path / "network.onnx"
    export_onnx(pose_model(), network, (64, 64), network_only=True)
    with pytest.raises(ValueError, match="for pose .*, got one for nothing that it"):
        PoseRunner(network)
    with pytest.raises(ValueError, match="for segmentation .*, got one for pose"):
        SegRunner(path)


def test_simcc_has_no_other_size(tmp_path):
    with pytest.raises(ValueError, match=r"input_size must be \(256, 192\), got"):
        export_onnx(pose_model(RECIPE.format("simcc")), tmp_path / "x.onnx", (64, 64))
