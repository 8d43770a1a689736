"""Call the command lines of `tools/` in this process."""

import importlib.util

from tests.running import ROOT


def load_tool(name):
    """Import a tool by its file name without suffix; its `main` takes arguments."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_tool(name, *arguments):
    """Run a tool; return its exit status."""
    return load_tool(name).main([str(argument) for argument in arguments])
