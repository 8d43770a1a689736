"""Help can be copied."""

import pytest

from tests.tools import load_tool


@pytest.mark.parametrize("name", ["predict", "convert_checkpoint", "export_onnx"])
def test_commands_of_the_help_can_be_copied(name):
    """A backslash at the end of a line is shown, not swallowed."""
    assert all(len(line) <= 88 for line in load_tool(name).__doc__.splitlines())
