"""A file is there as a whole or not at all, and goes after the next one is there."""

import os
import resource
from contextlib import contextmanager

import pytest

from mmlitehrnet.engine.file_backends import AtomicBackend, LateRemoval
from tests.robustness.tiny_runner import tiny_runner


@contextmanager
def disk_full_above(size):
    """No file can grow beyond a size, as on a disk with so much room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names_of(folder):
    return {path.name for path in folder.glob("*.pth*")}


def test_a_file_keeps_its_old_content_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "model.pth"
    AtomicBackend().put(b"old", path)
    with disk_full_above(1000), pytest.raises(OSError):
        AtomicBackend().put(b"x" * 2000, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.pth"]


def test_a_full_disk_speaks_of_checkpoints_only_where_there_are_some(tmp_path):
    with disk_full_above(1000), pytest.raises(OSError) as caught:
        AtomicBackend().put(b"x" * 2000, tmp_path / "epoch_1.pth")
    assert "Make room and run again" in str(caught.value)
    assert "before it" not in str(caught.value) and "--resume" not in str(caught.value)


def test_a_run_killed_before_it_removes_a_checkpoint_does_so_later(
    tmp_path, monkeypatch
):
    """The moment in which there is one more than ``max_keep_ckpts``."""
    hook = dict(max_keep_ckpts=1)
    with monkeypatch.context() as patch:
        patch.setattr(LateRemoval, "remove_now", lambda self: None)
        tiny_runner(tmp_path, hook, iters=4).train()
    assert names_of(tmp_path) == {"iter_2.pth", "iter_4.pth"}
    tiny_runner(tmp_path, hook, iters=5, resume=True).train()
    assert names_of(tmp_path) == {"iter_5.pth"}
