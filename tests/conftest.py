"""What holds for all tests."""

import gc

import pytest
import torch

from tests.running import quick_configs

# The networks of the tests are small, and machines are shared.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seed():
    """Each test sees the same random numbers, alone or in any order."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def configs_are_read_and_written_quickly():
    with quick_configs():
        yield


def pytest_collection_finish():
    """The libraries stay: no collection of garbage has to look at them again."""
    gc.collect()
    gc.freeze()
