"""Loaders are found on Pythons that have no `pkgutil.find_loader` any more."""

import pkgutil

import pytest

from mmlitehrnet.compat.find_loader import find_loader


@pytest.mark.parametrize("name", ["json", "mmcv.ops", "no_such_module", "no.such"])
def test_loaders_are_found_as_ever(name):
    assert bool(find_loader(name)) == (not name.startswith("no"))


def test_pkgutil_has_it():
    assert callable(pkgutil.find_loader)
