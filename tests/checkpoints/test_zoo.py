"""Public weights are downloaded once and whole, or what was tried is said."""

import hashlib
import io
import socket
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import mmpose
import pytest
import torch
import yaml
from mmengine.runner import CheckpointLoader, Runner

from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.checkpoints import CheckpointError, zoo
from tests.checkpoints.files import HARM, paddle_arrays, write_pdparams
from tests.docs import zoo_page
from tests.models.backbones.reference import sane_weights
from tests.robustness.recipes import make_data, small_config
from tests.running import ROOT, served


def pth(**more):
    buffer = io.BytesIO()
    torch.save(dict(state_dict={"backbone.a": torch.ones(40000)}, **more), buffer)
    return buffer.getvalue()


@pytest.fixture
def server(tmp_path):
    """A folder that has an address, and what the server is asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

    with served(tmp_path / "served", Handler) as url:
        yield SimpleNamespace(folder=tmp_path / "served", asked=asked, url=url)


def put(server, path, content):
    file = server.folder / path.removeprefix("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("http_proxy", raising=False)
    return tmp_path / "torch/hub/checkpoints"


def offer(monkeypatch, server, name, path, content):
    """Let the zoo have one more model, which the server has."""
    if content is not None:
        put(server, path, content)
    config = "configs/pose/litehrnet_18_coco_256x192.py"
    entry = dict(Name=name, Config=config, Weights=server.url + path)
    known = {**zoo.models(), name: entry}
    monkeypatch.setattr(zoo, "models", lambda: known)


def test_weights_are_downloaded_once(server, monkeypatch, cache):
    content = pth()
    digest = hashlib.sha256(content).hexdigest()[:8]
    offer(monkeypatch, server, "mine", f"/net-{digest}_20211230.pth", content)
    config, weights = zoo.fetch("mine")
    assert config.samefile(ROOT / "configs/pose/litehrnet_18_coco_256x192.py")
    assert weights == cache / "mine.pth" and weights.read_bytes() == content
    assert zoo.fetch("mine") == (config, weights) and len(server.asked) == 1
    assert list(cache.iterdir()) == [weights]


def test_a_file_in_the_cache_is_taken_under_its_published_name(
    server, monkeypatch, cache
):
    cache.mkdir(parents=True)
    offer(monkeypatch, server, "mine", "/net-01234567.pth", b"")
    (cache / "net-01234567.pth").write_bytes(b"given")
    assert zoo.fetch("mine")[1] == cache / "net-01234567.pth"
    # Not where another model has a file of that name.
    name = "tinypose_256x192_aic-coco"
    assert zoo.models()[name]["Weights"].endswith("/tinypose_256x192.pdparams")
    (cache / "tinypose_256x192.pdparams").write_bytes(b"which of the two?")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(CheckpointError, match="tinypose_256x192.pdparams cannot be d"):
        zoo.fetch(name)


def test_a_silent_server_is_waited_for_no_longer_than_the_timeout(cache, monkeypatch):
    monkeypatch.setattr(zoo, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/net.pth"
        with pytest.raises(CheckpointError, match=r"net\.pth .*timed out"):
            zoo.download(url, "net.pth")
    assert list(cache.iterdir()) == [] and socket.getdefaulttimeout() is None


def test_mmengine_takes_addresses(server, cache, tmp_path):
    harmed = tmp_path / "harmed"
    put(server, "/net-20200101.pth", pth(hook=HARM["system"](harmed)))
    put(server, "/other/net-20200101.pth", pth(epoch=7))
    for _ in range(2):
        found = CheckpointLoader.load_checkpoint(server.url + "/net-20200101.pth")
        assert found["state_dict"]["backbone.a"].sum() == 40000
    assert not harmed.exists() and len(server.asked) == 1
    other = CheckpointLoader.load_checkpoint(server.url + "/other/net-20200101.pth")
    assert other["epoch"] == 7
    put(server, "/a.pth", b"<html>no such file</html>")
    with pytest.raises(
        CheckpointError, match=r"/a\.pth cannot be downloaded.*no checkpoint"
    ):
        CheckpointLoader.load_checkpoint(server.url + "/a.pth")
    names = [path.name for path in cache.iterdir()]
    assert len(names) == 2 and all(x.endswith("_net-20200101.pth") for x in names)


def test_a_run_takes_names_of_the_zoo(server, monkeypatch, tmp_path):
    """As ``load_from`` of the shipped configs, in training and in testing."""
    cfg = small_config("pose", make_data("pose", tmp_path / "coco", 2, 1))
    model = network_from_config(cfg)
    sane_weights(model.backbone)
    torch.nn.init.normal_(model.head.final_layer.weight)
    weights = {
        name.replace("head.final", "keypoint_head.final"): value
        for name, value in model.state_dict().items()
    }
    path = write_pdparams(tmp_path / "file", paddle_arrays(weights))
    content = path.read_bytes()
    offer(monkeypatch, server, "mine", "/net.pdparams", content)
    cfg.update(work_dir=str(tmp_path / "work"), load_from="zoo:mine")
    cfg.optim_wrapper.optimizer.lr = 0.0
    cfg.train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=2)
    for run in (Runner.train, Runner.test):
        cfg.experiment_name = f"zoo_{run.__name__}"
        runner = Runner.from_cfg(cfg)
        run(runner)
        loaded = dict(runner.model.named_parameters())
        for name, value in model.named_parameters():
            assert torch.equal(loaded[name], value), name
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "path, content, words",
    [
        ("/net.pth", pth()[:100000], "truncated or damaged"),
        ("/net-01234567_20211230.pth", pth(), 'expected "01234567"'),
        ("/net.pth", None, "HTTP Error 404"),
        (":1/net.pth", None, "cannot be downloaded.*refused"),
    ],
    ids=["interrupted", "hash", "not found", "no network"],
)
def test_what_did_not_come_whole_is_not_kept(
    path, content, words, server, monkeypatch, cache
):
    if path.startswith(":"):
        server.url = "http://127.0.0.1"
    offer(monkeypatch, server, "mine", path, content)
    with pytest.raises(CheckpointError, match=words) as caught:
        zoo.fetch("mine")
    assert server.url + path in str(caught.value)
    assert f"put it at {cache / 'mine.pth'}, or give a file" in str(caught.value)
    assert list(cache.iterdir()) == []
    (cache / "mine.pth").write_bytes(b"given")  # As the message says.
    assert zoo.fetch("mine")[1].read_bytes() == b"given"


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(CheckpointError, match="'tinypose' is not in the .*: tinypose"):
        zoo.fetch("tinypose")


def test_the_page_is_current():
    """``python -m tests.docs.zoo_page`` makes it so."""
    text = zoo_page.PAGE.read_text()
    assert text == zoo_page.page()
    for name, entry in zoo.models().items():
        assert text.count(f"| `{name}` |") == 1
        assert entry["Weights"] in text


def test_openmmlabs_entries_are_mmposes_own():
    """Addresses and figures stand in the metafiles that MMPose installs."""
    published = {}
    for path in (Path(mmpose.__file__).parent / ".mim").rglob("litehrnet_*.yml"):
        for model in yaml.safe_load(path.read_text())["Models"]:
            published[model["Weights"]] = model["Results"][0]["Metrics"]
    text = (ROOT / "configs/pose/metafile.yml").read_text()
    ours = {model["Name"]: model for model in yaml.safe_load(text)["Models"]}
    for name, entry in zoo.models().items():
        if entry["Metadata"]["Publisher"] == "OpenMMLab":
            ((metric, value),) = entry["Results"][0]["Metrics"].items()
            assert published[entry["Weights"]][metric] == value
            assert zoo.published_hash(entry["Weights"])
            # What `mim download mmlitehrnet` takes.
            own = ours[name.removeprefix("openmmlab_")]
            assert own["Weights"] == entry["Weights"]
