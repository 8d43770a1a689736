"""Import the command lines of tools/, which are no package."""

import importlib.util
from types import ModuleType

from .running import ROOT


def load_tool(name: str) -> ModuleType:
    """Import ``tools/<name>.py``."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
