"""Name the command that brings what is missing.

mmcv is no requirement of the package's, as pip would compile it where mmcv-lite does;
setuptools is one that other packages may have replaced by one without pkg_resources.
"""

from __future__ import annotations

from importlib.util import find_spec

#: Module -> the command that installs it.
COMMANDS = {
    "mmcv": "pip install mmcv-lite==2.1.0",
    "pkg_resources": "pip install setuptools==79.0.1",
}


def check() -> None:
    """Look for the modules of :data:`COMMANDS`.

    Raises:
        ModuleNotFoundError: If one is not there.
    """
    for module, command in COMMANDS.items():
        if find_spec(module) is None:
            raise ModuleNotFoundError(
                f"mmlitehrnet needs the module {module}, which is not installed: "
                f"`{command}` (docs/install.md)",
                name=module,
            )


check()
