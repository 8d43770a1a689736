"""What pip has left out is named, with the command that installs it."""

import pytest

from tests.running import run_python

WITHOUT = """
import importlib.util
original = importlib.util.find_spec
importlib.util.find_spec = lambda n, p=None: None if n == {module!r} else original(n, p)
import mmlitehrnet
"""


@pytest.mark.parametrize(
    ["module", "command"],
    [
        ("mmcv", "pip install mmcv-lite==2.1.0"),
        ("pkg_resources", "pip install setuptools==79.0.1"),
    ],
)
def test_missing_modules_are_named_with_a_command(module, command):
    done = run_python("-c", WITHOUT.format(module=module), check=False)
    last = done.stdout.splitlines()[-1]
    assert last.startswith(
        f"ModuleNotFoundError: mmlitehrnet needs the module {module}"
    )
    assert f"`{command}`" in last
