"""Call the command lines of `tools/` and `benchmarks/` in this process."""

import importlib.util
from pathlib import Path

from tests.running import ROOT


def load_tool(name):
    """Import a tool by its file name without suffix; its `main` takes arguments."""
    paths = [ROOT / folder / f"{name}.py" for folder in ("tools", "benchmarks")]
    (path,) = filter(Path.is_file, paths)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_tool(name, *arguments):
    """Run a tool; return its exit status."""
    return load_tool(name).main([str(argument) for argument in arguments])
