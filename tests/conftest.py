"""What holds for all tests."""

from unittest import mock

import pytest
import torch

# The networks of the tests are small, and machines are shared.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seed():
    """Each test sees the same random numbers, alone or in any order."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def configs_are_written_as_they_are():
    """Runners print their configs several times, and yapf takes up to a second."""

    def keep(text, **style):
        return text, False

    with mock.patch("mmengine.config.config.FormatCode", keep):
        yield
