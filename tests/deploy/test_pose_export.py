"""What a pose config says goes into the file, or stops the export."""

import numpy as np
import onnx
import pytest
import torch
from mmengine.config import Config

from mmlitehrnet.deploy.export import export_onnx
from mmlitehrnet.deploy.runner import PoseRunner
from tests.deploy.models import BOXES, CONFIG, by_mmpose, pose_model, scene
from tests.tools import load_tool

PIPELINE = "test_dataloader.dataset.pipeline"
MEGVII = dict(
    _delete_=True, type="MegviiHeatmap", kernel_size=11,
    input_size=(192, 256), heatmap_size=(48, 64),
)  # fmt: skip


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
        {PIPELINE: steps(dict(padding=1.5), dict(use_udp=True))},
        {"model.test_cfg.output_keypoint_indices": [4, 3, 2]},
        {"model.data_preprocessor.bgr_to_rgb": False},
        {"model.data_preprocessor": dict(_delete_=True, type="PoseDataPreprocessor")},
    ],
)
def test_what_the_config_says_is_done(changes, tmp_path):
    model = pose_model(**changes)
    export_onnx(model, tmp_path / "pose.onnx", (256, 192))
    found = PoseRunner(tmp_path / "pose.onnx", num_threads=1)(scene(), BOXES)
    for value, like in zip(found, by_mmpose(model, scene()), strict=True):
        np.testing.assert_allclose(value, like, atol=1e-2)


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"model.head.decoder": MEGVII}, "codec MegviiHeatmap.*--network-only"),
        ({"model.test_cfg.flip_mode": "offset"}, "test_cfg.flip_mode='offset'"),
        ({PIPELINE: steps(more=[dict(type="Albumentation")])}, "Albumentation in its"),
        ({PIPELINE: steps()[:2]}, "without GetBBoxCenterScale, TopdownAffine"),
        ({"model.head.decoder.input_size": (96, 128)}, r"a codec for \(96, 128\)"),
        ({"model.data_preprocessor.pad_size_divisor": 100}, "pad_size_divisor=100"),
    ],
)
def test_what_cannot_be_exported_is_named_before_any_work(changes, match, tmp_path):
    def calibrate():
        raise AssertionError("images were read first")

    options = dict(target="openvino", precision="int8", calibration=calibrate)
    with pytest.raises(ValueError, match=match):
        export_onnx(pose_model(**changes), tmp_path / "x.onnx", (256, 192), **options)
    assert not any(tmp_path.iterdir())


def test_the_flip_test_is_an_option(tmp_path):
    model = pose_model()
    for flip_test in (None, False, True):
        path = tmp_path / f"{flip_test}.onnx"
        export_onnx(model, path, (256, 192), flip_test=flip_test)
    default, plain, both = (
        PoseRunner(tmp_path / f"{name}.onnx", num_threads=1)(scene(), BOXES)[1]
        for name in (None, False, True)
    )
    assert model.test_cfg.flip_test
    np.testing.assert_array_equal(default, both)
    assert np.abs(default - plain).max() > 1e-3
    with pytest.raises(ValueError, match="flip_test=True is for files of a pose"):
        export_onnx(model, path, (256, 192), network_only=True, flip_test=True)
    model.dataset_meta = dict(flip_indices=None)
    with pytest.raises(ValueError, match="flip_test needs flip_indices"):
        export_onnx(model, path, (256, 192))


def test_decoding_is_not_quantised(tmp_path):
    images = torch.randn(4, 3, 256, 192)
    options = dict(target="openvino", precision="int8", calibration=images)
    path = tmp_path / "pose.onnx"
    assert export_onnx(pose_model(), path, (256, 192), **options).relative < 0.3
    parts = {"QuantizeLinear": set(), "DequantizeLinear": set()}
    for node in onnx.load(path).graph.node:
        parts.get(node.op_type, set()).add(node.name.split("/")[0])
    assert parts == {"QuantizeLinear": {"1"}, "DequantizeLinear": {"1"}}
    points, _ = PoseRunner(path, "openvino", num_threads=1)(scene(), BOXES)
    assert points.shape == (3, 17, 2)


def test_flip_indices_are_those_of_mmposes_init_model():
    """Of the checkpoint, else of the data set that is trained on, else COCO's."""
    tool, config = load_tool("export_onnx"), Config.fromfile(CONFIG)
    config.train_dataloader.dataset.metainfo = dict(
        from_file="configs/_base_/datasets/mpii.py"
    )
    assert len(tool.pose_meta(config, {})["flip_indices"]) == 16
    meta = dict(dataset_meta=dict(flip_indices=list(range(17))))
    assert tool.pose_meta(config, meta)["flip_indices"] == list(range(17))
    config.pop("train_dataloader")
    assert len(tool.pose_meta(config, {})["flip_indices"]) == 17
