"""Files for rtmlib take its images; `make rtmlib-check` runs them in rtmlib itself."""

import numpy as np
import onnxruntime
import pytest

from mmlitehrnet.deploy.export import export_onnx
from mmlitehrnet.deploy.rtmlib import adapt_to_rtmlib
from mmlitehrnet.deploy.runner import PoseRunner, PoseTask, crop, region_of
from tests.deploy.test_runner import BOXES, pose_model, scene

RECIPE = "configs/pose/recipes/litehrnet_18_{}_coco_256x192.py"
PREPROCESSOR = "model.data_preprocessor"


@pytest.mark.parametrize(
    "recipe, changes",
    [
        ("simcc", {}),
        ("udp", {f"{PREPROCESSOR}.std": [50, 60, 70], f"{PREPROCESSOR}.mean": [9] * 3}),
        ("udp", {f"{PREPROCESSOR}.bgr_to_rgb": False}),
    ],
)
def test_maps_are_those_of_the_network(recipe, changes, tmp_path):
    model = pose_model(RECIPE.format(recipe), **changes)
    plain, other = tmp_path / "plain.onnx", tmp_path / "rtmlib.onnx"
    export_onnx(model, plain, (256, 192))
    assert export_onnx(model, other, (256, 192), rtmlib=True).relative < 1e-4
    results = [PoseRunner(p, num_threads=1)(scene(), BOXES) for p in (other, plain)]
    for values, like in zip(*results):
        np.testing.assert_allclose(values, like, rtol=1e-3, atol=0.05)
    region = region_of(np.array(BOXES[0]), (192, 256), 1.25)
    patch = crop(scene(), region, (192, 256))  # blue, green, red
    fed = (patch - (123.675, 116.28, 103.53)) / (58.395, 57.12, 57.375)
    found = run(other, fed.transpose(2, 0, 1))
    if model.data_preprocessor._channel_conversion:
        patch = patch[..., ::-1]
    mean, std = model.data_preprocessor.mean, model.data_preprocessor.std
    expected = run(plain, (patch.transpose(2, 0, 1) - mean.numpy()) / std.numpy())
    for maps, like in zip(found, expected):
        np.testing.assert_allclose(maps, like, atol=1e-4 * np.abs(like).max())


def run(path, image):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": image[None].astype(np.float32)})


@pytest.mark.parametrize(
    "changes, match",
    [
        (dict(decoder="shift"), "SimCCLabel .* and UDPHeatmap .* decoded by 'shift'"),
        (dict(split_ratio=1.5), "RTMPose has split_ratio=2.0, but .* says 1.5"),
        (dict(use_udp=True), "RTMPose has use_udp=False"),
        (dict(decoder="dark_udp"), "ViTPose has blur_kernel_size=11, but .* says 0"),
        (dict(padding=1.0), "RTMPose has padding=1.25, but the config says 1.0"),
        (dict(keypoint_indices=(4, 3)), r"keypoint_indices=None, but .* \(4, 3\)"),
        (dict(channels=1), "3 channels, but the network 1"),
    ],
)
def test_what_rtmlib_does_otherwise_is_named(changes, match):
    task = dict(input_size=(192, 256), decoder="simcc") | changes
    with pytest.raises(ValueError, match=match):
        adapt_to_rtmlib(channels=task.pop("channels", 3), task=PoseTask(**task))


def test_a_network_alone_is_not_for_rtmlib(tmp_path):
    model = pose_model(RECIPE.format("udp"))
    for network, only in ((model, True), (model.backbone, False)):
        with pytest.raises(ValueError, match="rtmlib=True needs a pose estimator"):
            export_onnx(
                network,
                tmp_path / "pose.onnx",
                (256, 192),
                network_only=only,
                rtmlib=True,
            )
    assert not any(tmp_path.iterdir())
