"""Which registries get what, and when.

The networks go into MMEngine's own registry: a library of its family that does not know
a name asks there. Tools that read a library's ``module_dict`` do not ask further, and
MMPose has a ``LiteHRNet`` of its own. So a library's registries get their part as well,
as soon as the library's own modules are imported; none is imported for it. A name that
a registry has already stays as it is, but for MMPose's ``LiteHRNet``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from mmengine.registry import MODELS

from .models import backbones, necks

NETWORKS = {
    name: getattr(models, name)
    for models in (backbones, necks)
    for name in models.__all__
}
#: Modules whose libraries' registries of models hold the networks themselves.
MODEL_MODULES = ("mmpose.models", "mmseg.models", "mmdet.models", "mmpretrain.models")
#: Module of a library -> our modules to import as soon as it is imported.
OUR_MODULES = {
    "mmpose.codecs": ["codecs"],
    "mmpose.datasets": ["datasets.pose", "datasets.transforms"],
    "mmpose.visualization": ["compat.drawing"],
    "mmseg.datasets": ["datasets.seg"],
}


def follow(module: str) -> None:
    """Register what belongs to a module of a library, which has been imported."""
    for name in OUR_MODULES.get(module, ()):
        import_module(f"{__package__}.{name}")
    if module in MODEL_MODULES:
        library = module.split(".")[0]
        registry = import_module(f"{library}.registry").MODELS
        for name, network in NETWORKS.items():
            ours = (library, name) == ("mmpose", "LiteHRNet")
            if ours or name not in registry.module_dict:
                registry.register_module(name, force=True, module=network)


class FollowingFinder:
    """Finds the modules above as Python does, and lets :func:`follow` follow them."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find one of them; see ``importlib.abc.MetaPathFinder``."""
        if name not in MODEL_MODULES and name not in OUR_MODULES:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_follow(module: ModuleType) -> None:
                execute(module)
                follow(name)

            spec.loader.exec_module = execute_and_follow  # type: ignore[method-assign]
        return spec


def register_all() -> None:
    """Register the networks, and what belongs to modules that are imported already."""
    for name, network in NETWORKS.items():
        MODELS.register_module(name, force=True, module=network)
    if FollowingFinder not in sys.meta_path:
        sys.meta_path.insert(0, FollowingFinder)
    for module in (*MODEL_MODULES, *OUR_MODULES):
        if module in sys.modules:
            follow(module)
