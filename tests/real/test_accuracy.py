"""AP of PP-TinyPose's weights on 164 people, in every form that they can have."""

import re

import cv2
import numpy as np
import pytest
import torch

from mmlitehrnet.apis.calibration import calibration_images
from mmlitehrnet.deploy.export import export_onnx
from mmlitehrnet.deploy.model import deploy_model
from mmlitehrnet.deploy.ncnn import LOW_PRECISION, export_ncnn
from mmlitehrnet.deploy.pose import read_surroundings
from mmlitehrnet.deploy.runner import PoseRunner
from mmlitehrnet.deploy.surrounding import Decoder, Preparation
from tests.deploy.photographs import needs_photographs
from tests.real.people import (
    average_precision,
    config_file,
    data_options,
    model,
    people,
    predictions,
    to_image,
    weights,
)
from tests.running import script_of_mim

pytestmark = [needs_photographs, pytest.mark.slow]
#: OpenCV 4 warps images a little differently than 5.
OPENCV = int(cv2.__version__.split(".")[0])
#: Measured by `mim test`; PaddleDetection's code gives the same on the same people.
TESTED = {
    ("256x192", "enhance"): 0.687 if OPENCV == 4 else 0.689,
    ("128x96", "enhance"): 0.583,
    ("256x192", "2021"): 0.676 if OPENCV == 4 else 0.679,
}


@pytest.mark.parametrize("size, release", TESTED)
def test_mim_test(size, release, tmp_path):
    options = data_options("val", "test_dataloader")
    evaluator = options["test_dataloader.dataset.data_root"]
    evaluator += options["test_dataloader.dataset.ann_file"]
    options |= {
        "test_evaluator.ann_file": evaluator,
        "test_dataloader.num_workers": 0,
        "test_dataloader.persistent_workers": False,
        "work_dir": tmp_path,
    }
    words = [f"{key}={value}" for key, value in options.items()]
    arguments = [weights(size, release), "--cfg-options", *words]
    out = script_of_mim("test", "mmpose", config_file(size), *arguments, cwd=tmp_path)
    found = float(re.findall(r"coco/AP: +([\d.]+)", out)[-1])
    assert found == pytest.approx(TESTED[size, release], abs=0.002)


def expected(size):
    return pytest.approx(TESTED[size, "enhance"], abs=0.002)


def test_deployed_in_pytorch():
    size = "128x96"
    points, scores = predictions(size, deploy_model(model(size)))
    assert average_precision(size, points, scores) == expected(size)


def height_and_width(size):
    return tuple(map(int, size.split("x")))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of one size and precision, for a runtime, each exported once."""
    folder, made = tmp_path_factory.mktemp("files"), {}

    def export(size, target, precision="float32"):
        path = folder / f"{size}_{target}_{precision}.onnx"
        options = {}
        if precision == "int8":
            config = model(size).cfg.copy()
            config.merge_from_dict(data_options("train", "val_dataloader"))
            options["calibration"] = calibration_images(config, model(size), 100)
        if path not in made:
            hw = height_and_width(size)
            made[path] = export_onnx(
                model(size), path, hw, target, precision=precision, **options
            )
        return path

    return export


def by_runner(path, size, runtime, precision="float32"):
    """AP of a file with flip test and decoding, on crops that MMPose cut out."""
    run = PoseRunner(path, runtime, num_threads=1, precision=precision)
    assert run.about["flip_test"]
    found = [run.file.run(crop) for crop in people(size)[0][:, None].numpy()]
    points, scores = map(np.concatenate, zip(*found))
    return average_precision(size, to_image(size, points), scores)


@pytest.mark.parametrize(
    "size, runtime",
    [("256x192", "openvino"), ("128x96", "onnxruntime"), ("128x96", "openvino")],
)
def test_exported(files, size, runtime):
    assert by_runner(files(size, runtime), size, runtime) == expected(size)


# The smaller network is 0.005 above float32 in bfloat16, on these people.
@pytest.mark.parametrize("size, most", [("256x192", 0.004), ("128x96", 0.007)])
def test_bfloat16(files, size, most):
    found = by_runner(files(size, "openvino"), size, "openvino", "bfloat16")
    assert found == pytest.approx(TESTED[size, "enhance"], abs=most)


def test_int8_loses_at_most_half_a_point(files):
    """Calibrated on photographs of train2017."""
    size = "256x192"
    path = files(size, "openvino", "int8")
    assert by_runner(path, size, "openvino") >= 0.684


@pytest.fixture(scope="module")
def ncnn_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("ncnn") / "pose.param"
    export_ncnn(model("256x192"), path, height_and_width("256x192"))
    return path


# ncnn takes float16 where a processor has it. Others, x86 among them, store bfloat16.
@pytest.mark.parametrize("low_precision, most", [(False, 0.002), (True, 0.006)])
def test_ncnn(low_precision, most, ncnn_file):
    ncnn = pytest.importorskip("ncnn")
    size, path = "256x192", ncnn_file
    net = ncnn.Net()
    net.opt.num_threads = 1
    for option in LOW_PRECISION:
        setattr(net.opt, option, low_precision)
    net.load_param(str(path))
    net.load_model(str(path.with_suffix(".bin")))
    pose = read_surroundings(model(size))
    crops, _ = people(size)
    before, after = Preparation(pose, 3), Decoder(pose)

    def heatmaps(image):
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(image))
        return np.array(extractor.extract("out0")[1])

    images = before(crops).contiguous().numpy()
    points, scores = after(torch.from_numpy(np.stack(list(map(heatmaps, images)))))
    points = to_image(size, points.numpy())
    found = average_precision(size, points, scores.numpy())
    assert found == pytest.approx(TESTED[size, "enhance"], abs=most)
