"""Let a config inherit ours by name: ``_base_ = "mmlitehrnet::pose/..."``.

MMEngine notes the package of such a base as the scope of what it defines, and looks for
its classes there. These are the library's.
"""

from __future__ import annotations

from typing import Any

import mmengine.registry as registries
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import DefaultScope, Registry

SCOPE = "mmlitehrnet"


class LibrarysRegistry(Registry):
    """Finds what the library finds whose config is being built."""

    def get(self, key: str) -> Any:
        """Look a class up."""
        scopes = [scope.scope_name for scope in DefaultScope._instance_dict.values()]
        library = next((name for name in scopes[::-1] if name != SCOPE), "mmengine")
        root: Any = self.parent
        with root.switch_scope_and_registry(library) as registry:
            return registry.get(key)


def allow_inheritance(root: Any = None) -> None:
    """Give a root of registries our scope; by default, all roots of MMEngine's.

    MMPose's codecs have a root of their own.
    """
    MODULE2PACKAGE[SCOPE] = SCOPE
    for found in [*vars(registries).values()] if root is None else [root]:
        if isinstance(found, Registry) and SCOPE not in found.children:
            LibrarysRegistry(found.name, parent=found, scope=SCOPE)
