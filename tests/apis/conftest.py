"""Files that have addresses."""

import pytest

from tests.running import served


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder whose files have addresses, and the start of these."""
    monkeypatch.setenv("no_proxy", "*")
    folder = tmp_path / "served"
    folder.mkdir()
    with served(folder) as address:
        yield folder, address
