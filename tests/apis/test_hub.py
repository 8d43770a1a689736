"""Models by name: found in metafiles, downloaded once, checked."""

import hashlib
import io
import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.infer import BaseInferencer
from mmpose.apis import inference_topdown, init_model

from mmlitehrnet.apis import find_model
from mmlitehrnet.checkpoints import zoo
from tests.apis.test_predict import DETECTOR, FixedBoxes, network_of
from tests.tools import load_tool, run_tool


def serve(folder, weights, name):
    """Serve weights under a name with their hash, as OpenMMLab's are."""
    buffer = io.BytesIO()
    torch.save(dict(state_dict=weights, meta={}), buffer)
    data = buffer.getvalue()
    name = f"{name}-{hashlib.sha256(data).hexdigest()[:8]}_20211230.pth"
    (folder / name).write_bytes(data)
    return name


def test_a_photo_and_nothing_else(server, tmp_path, monkeypatch):
    """The zoo's model, and a detector of MMDetection's metafiles."""
    served, address = server
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    tool = load_tool("predict")
    config, boxes = tmp_path / "detector.py", [[10.0, 20.0, 90.0, 150.0, 0.0, 0.9]]
    boxes += [[0.0] * 6] * 3
    config.write_text(DETECTOR)
    pose = zoo.models()[tool.MODEL]
    folder = zoo.folder()
    weights = {  # MMPose's file is of its version 0.
        name.replace("head.", "keypoint_head."): value
        for name, value in network_of(folder / pose["Config"]).state_dict().items()
    }
    weights["data_preprocessor.mean"] = torch.zeros(3, 1, 1)  # as some files have it
    names = dict(
        mmpose=serve(served, weights, "litehrnet18"),
        mmdet=serve(served, FixedBoxes(boxes).state_dict(), "detector"),
    )
    published = dict(pose, Weights=f"{address}/{names['mmpose']}")
    monkeypatch.setattr(zoo, "models", lambda: {tool.MODEL: published})
    detector = dict(Alias=[tool.DETECTOR], Name="rtmdet", Config=str(config))
    detector["Weights"] = f"{address}/{names['mmdet']}"
    monkeypatch.setattr(
        BaseInferencer, "_get_models_from_metafile", lambda place: [detector]
    )
    photo = tmp_path / "photo.png"
    image = np.random.default_rng(0).integers(0, 256, (160, 120, 3)).astype(np.uint8)
    cv2.imwrite(str(photo), image)
    assert run_tool("predict", photo, "--out", tmp_path / "out") == 0
    (found,) = json.loads((tmp_path / "out/predictions/photo.json").read_text())
    cached = tmp_path / f"cache/hub/checkpoints/{tool.MODEL}.pth"
    model = init_model(str(folder / pose["Config"]), str(cached), device="cpu")
    (expected,) = inference_topdown(model, image, np.array(boxes)[:1, :4])
    np.testing.assert_allclose(
        [found["keypoints"]], expected.pred_instances.keypoints, atol=1e-2
    )

    shutil.rmtree(served)  # A second time nothing is downloaded.
    options = ("--det-model", "whole_image", "--out", tmp_path / "out")
    assert run_tool("predict", photo, *options) == 0
    (found,) = json.loads((tmp_path / "out/predictions/photo.json").read_text())
    assert np.ravel(found["bbox"]).tolist() == [0, 0, 120, 160]


def test_names_that_no_metafile_has(tmp_path):
    with pytest.raises(ValueError, match="'rtmdet-tin' is not in .*mmdet: .*rtmdet-t"):
        find_model("rtmdet-tin", "mmdet")
