"""Files for rtmlib take its images; `make rtmlib-check` runs them in rtmlib itself."""

import numpy as np
import pytest
import torch

from mmlitehrnet.deploy.comparison import open_file
from mmlitehrnet.deploy.export import export_onnx
from mmlitehrnet.deploy.pose import read_surroundings
from mmlitehrnet.deploy.rtmlib import adapt_to_rtmlib
from tests.deploy.models import CONFIG, RECIPE, pose_model, scene

SIMCC, UDP = RECIPE.format("simcc"), RECIPE.format("udp")
PREPROCESSOR = "model.data_preprocessor"


@pytest.mark.parametrize(
    "config, changes",
    [
        (SIMCC, {}),
        (UDP, {f"{PREPROCESSOR}.std": [50, 60, 70], f"{PREPROCESSOR}.mean": [9] * 3}),
        (UDP, {f"{PREPROCESSOR}.bgr_to_rgb": False}),
    ],
)
def test_maps_are_those_of_the_network(config, changes, tmp_path):
    model, path = pose_model(config, **changes), tmp_path / "rtmlib.onnx"
    assert export_onnx(model, path, (256, 192), rtmlib=True).relative < 1e-4
    patch = torch.from_numpy(scene()[:, :192].copy())  # blue, green, red
    patch = torch.cat((patch, patch[:16]))
    fed = (patch.numpy() - (123.675, 116.28, 103.53)) / (58.395, 57.12, 57.375)
    fed = fed.transpose(2, 0, 1)[None].astype(np.float32)
    found = open_file(path).run(None, {"input": fed})
    normalise = model.data_preprocessor
    images = patch.permute(2, 0, 1)[None]
    if normalise._channel_conversion:
        images = images.flip(1)
    with torch.no_grad():
        images = (images - normalise.mean) / normalise.std
        expected = model(images, None, mode="tensor")
    expected = expected if isinstance(expected, tuple) else (expected,)
    for maps, like in zip(found, expected, strict=True):
        np.testing.assert_allclose(maps, like, atol=1e-4 * like.abs().max())


@pytest.mark.parametrize(
    "config, changes, match",
    [
        (CONFIG, {}, "SimCCLabel .* and UDPHeatmap .* decoded by MSRAHeatmapBlur"),
        (SIMCC, dict(use_udp=True), "RTMPose has use_udp=False"),
        (SIMCC, dict(padding=1.0), "RTMPose has padding=1.25, but the config says 1"),
        (SIMCC, dict(keypoint_indices=(4, 3)), r"keypoint_indices=None, .* \(4, 3\)"),
        (SIMCC, dict(channels=1), "3 channels, but the network 1"),
        (UDP, dict(blur_kernel_size=9), "ViTPose has blur_kernel_size=11, .* says 9"),
    ],
)
def test_what_rtmlib_does_otherwise_is_named(config, changes, match):
    pose = read_surroundings(pose_model(config))
    others = dict(changes)
    channels = others.pop("channels", 3)
    if kernel := others.pop("blur_kernel_size", None):
        pose.codec.blur_kernel_size = kernel
    with pytest.raises(ValueError, match=match):
        adapt_to_rtmlib(pose._replace(**others), channels)


def test_a_network_alone_is_not_for_rtmlib(tmp_path):
    model = pose_model(UDP)
    for network, only in ((model, True), (model.backbone, False)):
        options = dict(network_only=only, rtmlib=True)
        with pytest.raises(ValueError, match="rtmlib=True needs a pose estimator"):
            export_onnx(network, tmp_path / "pose.onnx", (256, 192), **options)
    assert not any(tmp_path.iterdir())
