"""Links lead somewhere, commands and configs exist, Python runs.

`make docs-check` also runs the commands (tests/docs/run_all.py).
"""

import doctest
import re

import pytest
from mmengine import Config

from mmlitehrnet.apis.model import network_from_config
from tests.docs.checks import check, write_configs
from tests.docs.pages import PAGES, Block, config_path, find_blocks, find_commands
from tests.docs.setting import make_inputs, names_for
from tests.running import ROOT

COMMANDS = find_commands()
PYTHON = find_blocks("python")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with all configs, those that the pages describe among them."""
    path = tmp_path_factory.mktemp("docs")
    write_configs(path)
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_command_exists(command, folder, monkeypatch):
    monkeypatch.chdir(folder)
    check(command, folder)


def is_config(block: Block) -> bool:
    return config_path(block) is not None or "_base_ =" in block.text


@pytest.mark.parametrize("block", [b for b in PYTHON if is_config(b)], ids=str)
def test_config_builds(block, folder):
    path = folder / (config_path(block) or f"{block.line}.py")
    path.write_text(block.text)
    cfg = Config.fromfile(path)
    cfg.model.backbone.pop("init_cfg", None)
    network = network_from_config(cfg)
    assert type(network.backbone).__module__.startswith("mmlitehrnet.")


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in PYTHON if not is_config(b)], ids=str)
def test_python_runs(block, folder, monkeypatch):
    monkeypatch.chdir(folder)
    make_inputs(block.text, folder)
    names = names_for(block.text)
    if block.text.startswith(">>>"):
        test = doctest.DocTestParser().get_doctest(
            block.text, names, str(block), block.page, block.line
        )
        assert doctest.DocTestRunner().run(test).failed == 0
    else:
        exec(compile(block.text, str(block), "exec"), names)


def slug(heading: str) -> str:
    words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return words.replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path) if path else page
        assert other.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", other.read_text(), re.M)
            assert anchor in map(slug, headings), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page, folder):
    pattern = r"\b(?:(?:configs|tests)/[\w/-]+|tools/\w+)\.py\b"
    for name in re.findall(pattern, page.read_text()):
        assert (folder / name).exists() or (ROOT / name).exists(), name
