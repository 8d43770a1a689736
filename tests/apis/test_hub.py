"""Models by name: found in metafiles, downloaded once, checked."""

import hashlib
import io
import json
import re
import resource
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmpose.apis import inference_topdown, init_model

from mmlitehrnet.apis import download, fetch, network_from_config
from tests.apis.test_predict import DETECTOR, FixedBoxes
from tests.models.backbones.reference import sane_weights
from tests.tools import load_tool, run_tool

DATA = bytes(range(256)) * 1000
HASH = hashlib.sha256(DATA).hexdigest()[:8]


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
    """The published model and detector of the metafiles, and its config."""
    address, files = server
    tool = load_tool("predict")
    config, boxes = tmp_path / "detector.py", [[10.0, 20.0, 90.0, 150.0, 0.0, 0.9]]
    boxes += [[0.0] * 6] * 3
    config.write_text(DETECTOR)
    folder = Path(BaseInferencer._get_repo_or_mim_dir("mmpose"))
    of_name = BaseInferencer._get_models_from_metafile
    (pose,) = (x for x in of_name(str(folder)) if x["Name"] == tool.MODEL)
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
    models = dict(
        mmpose=dict(Name=tool.MODEL, Config=pose["Config"]),
        mmdet=dict(Name="other", Alias=[tool.DETECTOR], Config=str(config)),
        mmseg=dict(Name="no weights"),
        mmlitehrnet=dict(Name="ours", Config=str(folder / pose["Config"])),
    )
    for scope, name in (*names.items(), ("mmlitehrnet", names["mmpose"])):
        models[scope]["Weights"] = f"{address}/{name}"
    places = {scope: BaseInferencer._get_repo_or_mim_dir(scope) for scope in models}
    monkeypatch.setattr(
        BaseInferencer,
        "_get_models_from_metafile",
        lambda place: [
            entry for scope, entry in models.items() if f"{place}" == places[scope]
        ],
    )
    photo = tmp_path / "photo.png"
    image = np.random.default_rng(0).integers(0, 256, (160, 120, 3)).astype(np.uint8)
    cv2.imwrite(str(photo), image)
    assert run_tool("predict", photo, "--out", tmp_path / "out") == 0
    (found,) = json.loads((tmp_path / "out/predictions/photo.json").read_text())
    cached = tmp_path / "cache/hub/checkpoints" / names["mmpose"]
    model = init_model(str(folder / pose["Config"]), str(cached), device="cpu")
    (expected,) = inference_topdown(model, image, np.array(boxes)[:1, :4])
    np.testing.assert_allclose(
        [found["keypoints"]], expected.pred_instances.keypoints, atol=1e-2
    )

    files.clear()  # A second time nothing is downloaded.
    arguments = (
        photo,
        "--model",
        "ours",
        "--det-model",
        "whole_image",
        "--out",
        tmp_path / "out",
    )
    assert run_tool("predict", *arguments) == 0
    (found,) = json.loads((tmp_path / "out/predictions/photo.json").read_text())
    assert np.ravel(found["bbox"]).tolist() == [0, 0, 120, 160]


@pytest.mark.parametrize(
    "name, file, words",
    [
        (f"a-{HASH}_2021.pth", (200, len(DATA), DATA[::-1]), "invalid hash value"),
        (f"a-{HASH}_2021.pth", (200, len(DATA), DATA[:9000]), "invalid hash value"),
        ("a.pdparams", (200, len(DATA), DATA[:9000]), "the connection was cut"),
        ("a.pdparams", (404, 0, b""), "HTTP Error 404"),
        ("a.pdparams", (500, 0, b""), "HTTP Error 500"),
    ],
    ids=["another hash", "cut off", "cut off, no hash", "not found", "server error"],
)
def test_a_failed_download_leaves_nothing(server, tmp_path, name, file, words):
    address, files = server
    url = f"{address}/{name}"
    files[name] = file
    with pytest.raises(
        ValueError, match=rf"{re.escape(url)} .*({words}).*put the file"
    ):
        download(url)
    folder = tmp_path / "cache/hub/checkpoints"
    assert list(folder.iterdir()) == []
    files[name] = 200, len(DATA), DATA
    assert download(url) == folder / name
    assert download(url).read_bytes() == DATA


def test_a_disk_without_room(server, tmp_path):
    address, files = server
    files["net.pth"] = 200, len(DATA), DATA
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(DATA) // 2, limits[1]))
    try:
        with pytest.raises(
            ValueError, match=r"net.pth cannot be downloaded to .*large"
        ):
            download(f"{address}/net.pth")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "cache/hub/checkpoints").iterdir()) == []


def test_without_a_network(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    photo = tmp_path / "a.png"
    photo.touch()
    assert run_tool("predict", photo) == 2
    error = capsys.readouterr().err
    assert re.search(
        r"https://download.openmmlab.com/\S*litehrnet18_coco_256x192-6bace359_20211230.pth"
        r" cannot be downloaded to .*urlopen error.*give a config and a checkpoint",
        error,
    )


def test_names_that_no_metafile_has(tmp_path):
    with pytest.raises(ValueError, match="'rtmdet-tin' is not in .*mmdet: .*rtmdet-t"):
        fetch("rtmdet-tin", "mmdet")


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
