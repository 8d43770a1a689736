"""Which registries get what, and how name clashes are settled.

The networks go into MMEngine's own registry, the root of those of all its libraries:
a library that does not know a name asks there. So they are found in MMPose,
MMSegmentation, MMDetection, MMPretrain and any other one, and none is imported for it.
Tools that read a library's ``module_dict`` do not ask further, so that they go into
those of OpenMMLab's libraries too, now or once these are there. A name that a registry
has already stays as it is, and so do the registries of other projects.

What a library registers itself comes before the root's. A registry imports the modules
of its library when it is first asked for something, and MMPose registers a
``LiteHRNet`` then, stopping with an error if the name is taken. What must come after
a library's own modules is therefore handed to the registry as one more module to
import, after them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from mmengine.registry import MODELS, Registry

from .models import backbones, necks

#: Scopes of the libraries whose registries of models hold our networks themselves.
LIBRARIES = ("mmpose", "mmseg", "mmdet", "mmpretrain")

#: (package, registry) -> our module to import after the package's own.
LATER_MODULES: dict[tuple[str, str], str] = {
    ("mmpose", "MODELS"): "mmlitehrnet.models.mmpose_override",
    ("mmpose", "KEYPOINT_CODECS"): "mmlitehrnet.codecs",
    ("mmpose", "VISUALIZERS"): "mmlitehrnet.compat.drawing",
    ("mmpose", "DATASETS"): "mmlitehrnet.datasets.pose",
    ("mmpose", "TRANSFORMS"): "mmlitehrnet.datasets.transforms",
    ("mmseg", "DATASETS"): "mmlitehrnet.datasets.seg",
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


class CompletedRegistry(Registry):
    """A registry whose dict holds our modules as soon as it holds its library's.

    MMEngine imports a registry's modules when it is asked by ``get``; tools such as
    mmdeploy import the library's themselves and read ``module_dict``.
    """

    @property
    def module_dict(self) -> dict:
        """The modules by name."""
        *library, ours = self._locations
        if all(map(_is_imported, library)):
            import_module(ours)
        return self._module_dict


def _is_imported(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    # A module that is being imported may yet register what ours comes after.
    return spec is not None and not getattr(spec, "_initializing", False)


def import_with(registry: Registry, module: str) -> None:
    """Import ``module`` after the modules that ``registry`` imports by itself."""
    if all(map(_is_imported, registry._locations)):
        import_module(module)
    elif module not in registry._locations:
        registry._locations.append(module)
        registry.__class__ = CompletedRegistry


class RootRegistry(Registry):
    """A registry whose children hold our networks as soon as they are there."""

    def _add_child(self, registry: Registry) -> None:
        super()._add_child(registry)
        add_networks(registry)


def networks() -> Iterator[tuple[str, type]]:
    """Our networks by name."""
    for models in (backbones, necks):
        for name in models.__all__:
            yield name, getattr(models, name)


def add_networks(registry: Registry) -> None:
    """Register the networks in a library, but for names that it has or is to have."""
    if registry.scope not in LIBRARIES:
        return
    for name, network in networks():
        later = (registry.scope, name) == ("mmpose", "LiteHRNet")
        if not later and name not in registry._module_dict:
            registry.register_module(name, module=network)


def register_all() -> None:
    """Register the networks, and what the packages that are installed need."""
    for name, network in networks():
        MODELS.register_module(name, force=True, module=network)
    for registry in MODELS.children.values():
        add_networks(registry)
    MODELS.__class__ = RootRegistry
    for (package, registry), module in LATER_MODULES.items():
        registries = find_registries(package)
        if registries is not None:
            import_with(getattr(registries, registry), module)
