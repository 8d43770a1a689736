"""Is a command of the documentation one that exists, with options that exist?

Nothing is run here: tools and the training scripts of the libraries parse their
options and are stopped there.
"""

from __future__ import annotations

import argparse
import re
import runpy
import shutil
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from unittest import mock

from mmengine.config import Config

from tests.docs.pages import Command, config_path, find_blocks
from tests.running import ROOT

# Name for mim -> name of the module.
LIBRARIES = {
    "mmpose": "mmpose",
    "mmsegmentation": "mmseg",
    "mmdet": "mmdet",
    "mmpretrain": "mmpretrain",
}
# Programs whose options are not ours to check.
OTHERS = re.compile(
    r"((python -m )?pip (install|download|wheel)|mim (install|download)|cd|export|git"
    r"|cp|pre-commit|srun|sbatch|torchrun|\S*python -m pytest) "
)


class Parsed(Exception):
    """Raised in the place of what would follow the parsing of options."""


def check(command: Command, configs: Path) -> None:
    """Fail unless a command can be started.

    Args:
        command: The command.
        configs: Folder with `configs/`, those that the pages describe among them.
    """
    words = command.words
    program = Path(words[0]).name
    if program == "make":
        targets = re.findall(r"^(\S+):", (ROOT / "Makefile").read_text(), re.M)
        assert set(words[1:]) <= set(targets), f"{command}: no such target"
    elif program == "mim" and words[1] in ("train", "test"):
        check_mim(command, configs)
    elif program == "mim" and words[1] == "run":
        package, name, *arguments = words[2:]
        folder = Path(import_module(LIBRARIES[package]).__file__).parent
        (script,) = (folder / ".mim/tools").rglob(f"{name}.py")
        parse(script, arguments)
    elif program == "python" and " ".join(words[1:3]).startswith("-m benchmarks."):
        parse(ROOT / f"{words[2].replace('.', '/')}.py", words[3:])
    elif program == "python" and words[1].endswith(".py"):
        assert (ROOT / words[1]).is_file(), f"{command}: no such tool"
        parse(ROOT / words[1], words[2:])
        for word in filter(re.compile("configs/").match, words[2:]):
            assert (configs / word).exists(), f"{command}: no such config"
    else:
        assert OTHERS.match(command.line), f"{command}: unknown to tests/docs/checks.py"


def check_mim(command: Command, configs: Path) -> None:
    """Check mim's options, those of the library's script, and the config's."""
    _, verb, *arguments = command.words
    cli = import_module(f"mim.commands.{verb}").cli
    given = cli.make_context(verb, list(arguments)).params
    module = import_module(LIBRARIES[given["package"]])
    script = Path(module.__file__).parent / f".mim/tools/{verb}.py"
    files = [given["config"], *filter(None, [given.get("checkpoint")])]
    options = parse(script, [*files, *given["other_args"]])
    path = configs / given["config"]
    assert path.is_file(), f"{command}: no such config"
    cfg = load(path)
    for key in options.cfg_options or {}:
        node = cfg
        for part in key.split(".")[:-1]:
            node = node[int(part)] if isinstance(node, list) else node[part]


@cache
def load(path: Path) -> Config:
    """Load a config once."""
    return Config.fromfile(path)


def parse(script: Path, arguments: list[str]) -> argparse.Namespace:
    """Let a script parse its options, and stop it there.

    Raises:
        AssertionError: If it does not accept them.
    """
    found: list[argparse.Namespace] = []
    original = argparse.ArgumentParser.parse_args

    def parse_args(self, args=None, namespace=None):
        found.append(original(self, args, namespace))
        raise Parsed

    sys_path = [str(script.parent), *sys.path]
    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", parse_args),
        mock.patch.object(sys, "argv", [str(script), *map(str, arguments)]),
        mock.patch.object(sys, "path", sys_path),
    ):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except Parsed:
            return found[0]
        except SystemExit as error:
            raise AssertionError(
                f"{script.name} does not accept {arguments}"
            ) from error
    raise AssertionError(f"{script.name} parses no options")


def write_configs(folder: Path) -> list[Path]:
    """Copy `configs/` and write the configs that the pages describe beside them.

    Returns:
        The files that were written.
    """
    shutil.copytree(ROOT / "configs", folder / "configs")
    written = []
    for block in find_blocks("python"):
        path = config_path(block)
        if path is not None:
            assert not (folder / path).exists(), f"{block}: {path} is there already"
            (folder / path).write_text(block.text)
            written.append(folder / path)
    return written
