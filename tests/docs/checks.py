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
LIBRARIES = {name: name for name in ("mmpose", "mmdet", "mmpretrain")}
LIBRARIES["mmsegmentation"] = "mmseg"
# Programs whose options are not ours to check.
OTHERS = re.compile(
    r"((python -m )?pip (install|download|wheel)|mim (install|download)|cd|export|git"
    r"|cp|pre-commit|srun|sbatch|torchrun|npm|onnxsim|onnx2tf|python -m http.server"
    r"|python -m tests.browser_check|\S*python -m pytest) "
)


class Parsed(Exception):
    """Raised in the place of what would follow the parsing of options."""


def program(words: list[str]) -> tuple[Path, list[str]] | None:
    """The script that a command runs and what it is given; None if it is of others."""
    name, *rest = Path(words[0]).name, *words[1:]
    if name == "mim" and rest[0] in ("train", "test"):
        cli = import_module(f"mim.commands.{rest[0]}").cli
        given = cli.make_context(rest[0], rest[1:]).params
        files = [given["config"], *filter(None, [given.get("checkpoint")])]
        return script_of(given["package"], rest[0]), [*files, *given["other_args"]]
    if name == "mim" and rest[0] == "run":
        return script_of(*rest[1:3]), rest[3:]
    if name == "python" and " ".join(rest[:2]).startswith("-m benchmarks."):
        return ROOT / f"{rest[1].replace('.', '/')}.py", rest[2:]
    if name == "python" and rest[0].endswith(".py"):
        return ROOT / rest[0], rest[1:]
    return None


def script_of(package: str, name: str) -> Path:
    """Find a script of a library, by the names that mim has for both."""
    folder = Path(import_module(LIBRARIES[package]).__file__).parent
    (script,) = (folder / ".mim/tools").rglob(f"{name}.py")
    return script


def check(command: Command, configs: Path) -> None:
    """Fail unless a command can be started.

    Args:
        command: The command.
        configs: Folder with `configs/`, those that the pages describe among them.
    """
    found = program(command.words)
    if command.words[0] == "make":
        targets = re.findall(r"^(\S+):", (ROOT / "Makefile").read_text(), re.M)
        assert set(command.words[1:]) <= set(targets), f"{command}: no such target"
    elif found is None:
        assert OTHERS.match(command.line), f"{command}: unknown to tests/docs/checks.py"
    else:
        options = parse(*found)
        for word in filter(re.compile("configs/").match, command.words):
            assert any(configs.glob(word)), f"{command}: no such config"
        for key in getattr(options, "cfg_options", None) or {}:
            node = load(configs / options.config)
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
            said = f"{script.name} does not accept {arguments}"
            raise AssertionError(said) from error
    raise AssertionError(f"{script.name} parses no options")


def write_configs(folder: Path) -> None:
    """Copy `configs/` and write the configs that the pages describe beside them."""
    shutil.copytree(ROOT / "configs", folder / "configs")
    for block in find_blocks("python"):
        path = config_path(block)
        if path is not None:
            assert not (folder / path).exists(), f"{block}: {path} is there already"
            (folder / path).write_text(block.text)
