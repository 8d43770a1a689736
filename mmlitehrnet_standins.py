"""Serve compiled modules of OpenMMLab that are not installed by stand-ins.

``mmcv._ext``, the operators of mmcv, is missing from mmcv-lite, and ``xtcocotools`` has
no wheels for CPython 3.12 and later. ``mmlitehrnet/compat`` has a stand-in for each.
:class:`Finder` comes last in ``sys.meta_path``: where the real one is installed, it is
found before, and nothing of this takes place.

``mmlitehrnet_standins.pth`` imports this module at every start of Python, since a
program may import ``mmpose.models`` before ``mmlitehrnet``. It is therefore a module of
its own, which imports nothing: ``mmlitehrnet`` would import PyTorch.
"""

import sys

#: Modules, and their stand-ins in ``mmlitehrnet/compat``.
FILES = {
    "mmcv._ext": "mmcv_ext.py",
    "xtcocotools": "xtcocotools/__init__.py",
}


class Finder:
    """Finds the modules of :data:`FILES`."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Find one of them, and nothing else; see ``importlib.abc.MetaPathFinder``."""
        if name not in FILES:
            return None
        from importlib.util import find_spec, spec_from_file_location

        package = find_spec("mmlitehrnet")  # Does not import it.
        if package is None or not package.submodule_search_locations:
            return None
        folder = package.submodule_search_locations[0]
        return spec_from_file_location(name, f"{folder}/compat/{FILES[name]}")


sys.meta_path.append(Finder)
