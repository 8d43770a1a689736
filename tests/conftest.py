"""What holds for all tests."""

import pytest
import torch

from tests.running import unformatted_configs

# The networks of the tests are small, and machines are shared.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seed():
    """Each test sees the same random numbers, alone or in any order."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def configs_are_written_as_they_are():
    with unformatted_configs():
        yield
