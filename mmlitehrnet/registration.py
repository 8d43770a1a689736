"""Which registries get what, and how name clashes are settled.

A registry of OpenMMLab imports the modules of its package when it is first asked
for something. MMPose registers a ``LiteHRNet`` then, and stops with an error if
the name is taken. What must come after the package's own modules is therefore
handed to the registry as one more module to import, after them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from . import backbones

#: Packages whose ``MODELS`` get the backbones, and the backbones that wait until
#: the package's own models are there because one of them has the same name.
MODEL_PACKAGES: dict[str, tuple[str, ...]] = {
    "mmpose": ("LiteHRNet",),
    "mmseg": (),
}

#: (package, registry) -> our module to import after the package's own.
LATER_MODULES: dict[tuple[str, str], str] = {
    ("mmpose", "MODELS"): "mmlitehrnet.mmpose_models",
    ("mmpose", "KEYPOINT_CODECS"): "mmlitehrnet.codecs",
}


def find_registries(package: str) -> ModuleType | None:
    """Return the registries of a package, or None if it is not installed.

    Only ``package.registry`` is imported, none of the package's models.

    Raises:
        ImportError: If the package is there but cannot be imported.
    """
    try:
        return import_module(f"{package}.registry")
    except ImportError as error:
        if error.name is not None and error.name.split(".")[0] != package:
            raise
        return None


def import_with(registry, module: str) -> None:
    """Import ``module`` after the modules that ``registry`` imports by itself."""
    if all(location in sys.modules for location in registry._locations):
        import_module(module)
    else:
        registry._locations.append(module)


def register_all() -> None:
    """Register the backbones in the packages that are installed."""
    installed = {package: find_registries(package) for package in MODEL_PACKAGES}
    for package, waiting in MODEL_PACKAGES.items():
        if installed[package] is None:
            continue
        for name in set(backbones.__all__) - set(waiting):
            installed[package].MODELS.register_module(
                name=name, module=getattr(backbones, name), force=True
            )
    for (package, registry), module in LATER_MODULES.items():
        if installed[package] is not None:
            import_with(getattr(installed[package], registry), module)
