"""The file's decoding gives what MMPose's codecs and its flip test give."""

import numpy as np
import onnx
import openvino
import pytest
import torch
from mmpose.codecs import MSRAHeatmap, SimCCLabel, UDPHeatmap
from mmpose.models.utils.tta import flip_heatmaps, flip_vectors

from mmlitehrnet.codecs import MSRAHeatmapBlur, MSRAHeatmapInner
from mmlitehrnet.deploy.comparison import open_file
from mmlitehrnet.deploy.decoding import CODECS, find_codec
from mmlitehrnet.deploy.pose import Surroundings
from mmlitehrnet.deploy.surrounding import Decoder
from mmlitehrnet.deploy.tracing import write_onnx

SIZES = dict(input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
MADE = {
    "quarter": MSRAHeatmap(**SIZES),
    "dark": MSRAHeatmap(**SIZES, unbiased=True),
    "dark, small kernel": MSRAHeatmap(**SIZES, unbiased=True, blur_kernel_size=3),
    "blurred": MSRAHeatmapBlur(**SIZES),
    "inner": MSRAHeatmapInner(**SIZES),
    "udp": UDPHeatmap(**SIZES),
    "simcc": SimCCLabel((192, 256), simcc_split_ratio=1.7),
}


def decoder(codec, **options):
    """What follows a network; without options only what the codec says."""
    nothing = dict.fromkeys(Surroundings._fields)
    return Decoder(Surroundings(**nothing | dict(codec=codec, use_udp=False) | options))


def peaks(batch, joints=17):
    """Gaussians of any place, height and width, at the edges too, in some noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :48]
    shape = (batch, joints, 1, 1)
    cx, cy = rng.uniform(-1, 48, shape), rng.uniform(-1, 64, shape)
    squares = ((x - cx) ** 2 + (y - cy) ** 2) / rng.uniform(4, 18, shape)
    maps = rng.uniform(0.005, 1, shape) * np.exp(-squares)
    return (maps + rng.normal(0, 0.002, maps.shape)).astype(np.float32)


def maps_for(codec, batch):
    if not isinstance(codec, SimCCLabel):
        return [peaks(batch)]
    rng = np.random.default_rng(0)
    return [rng.normal(size=(batch, 17, n)).astype(np.float32) for n in (326, 435)]


def decoded(codec, maps):
    """By the codec itself: keypoints (N, K, 2) and scores (N, K)."""
    persons = [codec.decode(*person) for person in zip(*maps)]
    return tuple(map(np.concatenate, zip(*persons)))


def run(module, maps, path):
    """In both runtimes, by a file; OpenVINO is asked for bfloat16."""
    tensors = tuple(map(torch.from_numpy, maps))
    names = [f"map{k}" for k in range(len(maps))]
    write_onnx(module.eval(), tensors, path, names, ["keypoints", "scores"])
    yield open_file(path).run(None, dict(zip(names, maps)))
    options = {"INFERENCE_PRECISION_HINT": "bf16"}
    yield list(openvino.Core().compile_model(path, "CPU", options)(maps).values())


def test_every_codec_is_tried():
    assert {row.name for row in CODECS} == {type(x).__name__ for x in MADE.values()}


@pytest.mark.parametrize("name", MADE)
def test_keypoints_are_those_of_the_codec(name, tmp_path):
    codec, path = MADE[name], tmp_path / "decoder.onnx"
    maps = maps_for(codec, batch=3)
    expected, likely = decoded(codec, maps)
    for points, scores in run(decoder(codec), maps, path):
        assert np.abs(points - expected).max() < 1e-3
        np.testing.assert_allclose(scores, likely, rtol=1e-6)
    # In bfloat16 OpenVINO computes what comes before the last of these.
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert not kinds & {"Conv", "ConvTranspose", "MatMul", "Gemm", "Resize"}


@pytest.mark.parametrize("name", MADE)
def test_nobody_there_is_outside(name):
    """At the cell (-1, -1) as by MMPose; UDP's it moves by what lies beyond the map."""
    codec = MADE[name]
    maps = [-np.ones_like(x) for x in maps_for(codec, batch=1)]
    points, scores = decoder(codec)(*map(torch.from_numpy, maps))
    expected, likely = decoded(codec, maps)
    if name == "udp":
        expected = np.full((1, 17, 2), (-192 / 47, -256 / 63))
    np.testing.assert_allclose(points, expected, atol=1e-4)
    np.testing.assert_allclose(scores, likely)


@pytest.mark.parametrize("shift_heatmap", [True, False])
@pytest.mark.parametrize("name", ["quarter", "udp", "simcc"])
def test_flip_test_is_that_of_mmpose(name, shift_heatmap):
    codec, indices = MADE[name], [0, *range(16, 0, -1)]
    maps = list(map(torch.from_numpy, maps_for(codec, batch=4)))
    if name == "simcc":
        back = flip_vectors(*(x[2:] for x in maps), indices)
    else:
        back = [flip_heatmaps(maps[0][2:], indices, shift_heatmap=shift_heatmap)]
    averages = [((x[:2] + other) / 2).numpy() for x, other in zip(maps, back)]
    expected, likely = decoded(codec, averages)
    options = dict(flip_indices=indices, shift_heatmap=shift_heatmap)
    options["shift_heatmap"] &= name != "simcc"
    points, scores = decoder(codec, **options)(*maps)
    np.testing.assert_allclose(points, expected, atol=1e-3)
    np.testing.assert_allclose(scores, likely, rtol=1e-6)


def test_the_last_pixel_is_the_end_of_a_crop_by_udp():
    """So that the crop's own matrix maps keypoints back, whatever MMPose's unit is."""
    y, x = torch.meshgrid(torch.arange(64), torch.arange(48), indexing="ij")
    peak = torch.exp(-((x - 40) ** 2 + (y - 50) ** 2) / 8)[None, None]
    (point,), _ = decoder(MADE["udp"], use_udp=True)(peak)
    np.testing.assert_allclose(point, [[40 / 47 * 191, 50 / 63 * 255]], atol=0.01)


def test_keypoints_are_picked():
    maps = torch.from_numpy(peaks(2))
    points, scores = decoder(MADE["quarter"])(maps)
    chosen = decoder(MADE["quarter"], keypoint_indices=[4, 2])(maps)
    assert torch.equal(chosen[0], points[:, [4, 2]])
    assert torch.equal(chosen[1], scores[:, [4, 2]])


@pytest.mark.parametrize(
    "match, codec",
    [
        (
            "UDPHeatmap with .*'combined'",
            UDPHeatmap(**SIZES, heatmap_type="combined"),
        ),
        ("SimCCLabel with .*'use_dark': True", SimCCLabel((192, 256), use_dark=True)),
        ("codec object, but those of", object()),
    ],
)
def test_other_codecs_are_named(match, codec):
    with pytest.raises(ValueError, match=match):
        find_codec(codec)
