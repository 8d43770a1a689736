"""docs/own_data.md works from the first command to the last, on data drawn here.

Training is cut short; `make own-data-check` trains to the end.
"""

import contextlib
import json
import multiprocessing
import re
import shutil

import pytest
import torch
from mmengine.config import Config

from mmlitehrnet.apis import network_from_config
from mmlitehrnet.datasets.faults import DataError
from tests.docs.checks import LIBRARIES
from tests.docs.pages import find_commands
from tests.own_data import make_own_classes, make_own_data
from tests.running import ONE_PROCESS, ROOT, quick_configs, script_of_mim
from tests.tools import run_tool

CONFIG = ROOT / "configs/pose/own_keypoints.py"
SHORT = {
    "mmpose": ["train_cfg.max_epochs=1", "default_hooks.checkpoint.interval=1"],
    "mmsegmentation": ["train_cfg.max_iters=1", "train_dataloader.batch_size=2"],
}
SAVED = {"own_keypoints": "epoch_1.pth", "own_classes": "iter_1.pth"}


def commands():
    return [c for c in find_commands() if c.place.startswith("docs/own_data.md")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the page takes for granted: its data, the configs and public weights."""
    path = tmp_path_factory.mktemp("own")
    make_own_data(path / "data/own", 2, 2)
    make_own_classes(path / "data/own_classes")
    (path / "configs").symlink_to(ROOT / "configs")
    coco = Config.fromfile(ROOT / "configs/pose/litehrnet_18_coco_256x192.py")
    weights = dict(state_dict=network_from_config(coco).state_dict(), meta={})
    torch.save(weights, path / "public.pth")
    return path


def run(command, folder):
    words = list(command.words)
    if words[0] != "mim":
        name = words[1].removeprefix("tools/").removesuffix(".py")
        with contextlib.chdir(folder):
            assert run_tool(name, *words[2:]) == 0
        return
    _, verb, package, config, *rest = words
    if "--checkpoint" in rest:  # mim gives it to the script without the word
        rest.remove("--checkpoint")
    if verb == "train" and "--cfg-options" not in rest:
        rest += ["--cfg-options", "load_from=public.pth"]
    if "--cfg-options" not in rest:
        rest.append("--cfg-options")
    short = [
        o for o in [*ONE_PROCESS, *SHORT[package]] if verb == "train" or "test_" in o
    ]
    script_of_mim(verb, LIBRARIES[package], config, *rest, *short, cwd=folder)


@quick_configs()
def run_all(folder):
    """Run the page's commands in their order."""
    for command in commands():
        run(command, folder)
        for name, saved in SAVED.items():  # where the page's checkpoint is
            work = folder / "work_dirs" / name
            if (work / saved).is_file():
                for of_page in ("epoch_60.pth", "iter_1000.pth"):
                    shutil.copy(work / saved, work / of_page)


@pytest.mark.slow
def test_every_command_works_one_after_the_other(folder):
    # In a process of their own: others' tests leave runtimes behind in this one.
    process = multiprocessing.get_context("spawn").Process(
        target=run_all, args=(folder,)
    )
    process.start()
    process.join()
    assert process.exitcode == 0
    for name, samples in (("pictures", 4 + 4), ("labels", 4 + 2)):  # train and val
        assert len([*folder.glob(f"work_dirs/{name}/*.png")]) == samples
    assert (folder / "work_dirs/own.onnx").is_file()
    assert (folder / "work_dirs/draft.json").is_file()


def test_all_that_is_wrong_is_listed(tmp_path, monkeypatch, capsys):
    """In both files of annotations and among the pictures; then `mim train` says it."""
    data = make_own_data(tmp_path / "data/own", 2, 2)
    monkeypatch.chdir(tmp_path)
    (data / "images/000.jpg").write_bytes(b"")
    content = json.loads((data / "val.json").read_text())
    content["annotations"][1].update(id=0, area=0)
    (data / "val.json").write_text(json.dumps(content))
    assert run_tool("check_data", CONFIG) == 1
    printed = capsys.readouterr().out
    for fault in (
        r"data/own/images/000\.jpg: the file is empty",
        r"val\.json: annotation 0 of image 2: id must be .*; and 1 more: annotation 0",
        r"val\.json: annotation 0 of image 2: area must be the positive area",
    ):
        assert re.search(f"fault: .*{fault}", printed), fault
    assert "mim train would stop at this" in printed
    (data / "images/000.jpg").write_bytes((data / "images/001.jpg").read_bytes())
    options = ("--cfg-options", "load_from=None", *ONE_PROCESS)
    with pytest.raises(DataError, match=r"val\.json: annotation 0 of image 2: id must"):
        script_of_mim("train", "mmpose", CONFIG, *options, cwd=tmp_path)
