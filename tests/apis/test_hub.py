"""Models by name: found in metafiles, downloaded once, checked."""

import hashlib
import io
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmpose.apis import inference_topdown, init_model

from mmlitehrnet.apis import find_model, network_from_config
from mmlitehrnet.checkpoints import zoo
from tests.apis.test_predict import DETECTOR, FixedBoxes
from tests.models.backbones.reference import sane_weights
from tests.tools import load_tool, run_tool


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of files: name -> (status, announced length, content)."""
    files = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, length, content = files.get(self.path[1:], (404, 0, b""))
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", files
        running.shutdown()
        thread.join()


def serve(files, weights, name):
    """Serve weights under a name with their hash, as OpenMMLab's are."""
    buffer = io.BytesIO()
    torch.save(dict(state_dict=weights, meta={}), buffer)
    data = buffer.getvalue()
    name = f"{name}-{hashlib.sha256(data).hexdigest()[:8]}_20211230.pth"
    files[name] = 200, len(data), data
    return name


def test_a_photo_and_nothing_else(server, tmp_path, monkeypatch):
    """The zoo's model, and a detector of MMDetection's metafiles."""
    address, files = server
    tool = load_tool("predict")
    config, boxes = tmp_path / "detector.py", [[10.0, 20.0, 90.0, 150.0, 0.0, 0.9]]
    boxes += [[0.0] * 6] * 3
    config.write_text(DETECTOR)
    pose = zoo.models()[tool.MODEL]
    folder = zoo.folder()
    model = network_from_config(Config.fromfile(folder / pose["Config"]))
    sane_weights(model.backbone)
    torch.nn.init.normal_(model.head.final_layer.weight)
    weights = {  # MMPose's file is of its version 0.
        name.replace("head.", "keypoint_head."): value
        for name, value in model.state_dict().items()
    }
    weights["data_preprocessor.mean"] = torch.zeros(3, 1, 1)  # as some files have it
    names = dict(
        mmpose=serve(files, weights, "litehrnet18"),
        mmdet=serve(files, FixedBoxes(boxes).state_dict(), "detector"),
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

    files.clear()  # A second time nothing is downloaded.
    arguments = (
        photo,
        "--det-model",
        "whole_image",
        "--out",
        tmp_path / "out",
    )
    assert run_tool("predict", *arguments) == 0
    (found,) = json.loads((tmp_path / "out/predictions/photo.json").read_text())
    assert np.ravel(found["bbox"]).tolist() == [0, 0, 120, 160]


def test_without_a_network(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    photo = tmp_path / "a.png"
    photo.touch()
    assert run_tool("predict", photo) == 2
    error = capsys.readouterr().err
    assert re.search(
        r"https://download.openmmlab.com/\S*litehrnet18_coco_256x192-6bace359_20211230.pth"
        r" cannot be downloaded: .*urlopen error.*put it at \S*openmmlab_litehrnet",
        error,
    )


def test_names_that_no_metafile_has(tmp_path):
    with pytest.raises(ValueError, match="'rtmdet-tin' is not in .*mmdet: .*rtmdet-t"):
        find_model("rtmdet-tin", "mmdet")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("config.py",), "a config and a checkpoint go together"),
        (("config.py", "a.pth", "--model", "a"), "--model: not with a config"),
        (
            ("--det-model", "a", "--det-config", "a", "--det-checkpoint", "a"),
            "--det-model: not with --det-config",
        ),
    ],
)
def test_what_does_not_go_together(arguments, words, capsys):
    with pytest.raises(SystemExit):
        run_tool("predict", "a.png", *arguments)
    assert words in capsys.readouterr().err
