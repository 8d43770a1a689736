"""A full disk; checkpoints that are replaced, and those of other runs."""

import resource
import shutil
from contextlib import contextmanager

import pytest

from mmlitehrnet.checkpoints import load_checkpoint
from mmlitehrnet.engine.file_backends import AtomicBackend
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


def test_a_full_disk_speaks_of_checkpoints_only_where_there_are_some(tmp_path):
    with disk_full_above(1000), pytest.raises(OSError) as caught:
        AtomicBackend().put(b"x" * 2000, tmp_path / "epoch_1.pth")
    assert "Make room and run again" in str(caught.value)
    assert "before it" not in str(caught.value) and "--resume" not in str(caught.value)


def test_a_run_killed_before_it_removes_a_checkpoint_does_so_later(tmp_path):
    """In the moment in which there is one more than ``max_keep_ckpts``."""
    hook = dict(max_keep_ckpts=1)
    tiny_runner(tmp_path, hook, iters=2).train()
    shutil.copy(tmp_path / "iter_2.pth", tmp_path / "copy")
    tiny_runner(tmp_path, hook, iters=4, resume=True).train()
    assert names_of(tmp_path) == {"iter_4.pth"}
    shutil.move(tmp_path / "copy", tmp_path / "iter_2.pth")
    tiny_runner(tmp_path, hook, iters=5, resume=True).train()
    assert names_of(tmp_path) == {"iter_5.pth"}


def test_checkpoints_of_the_run_that_is_gone_on_from_stay(tmp_path):
    """A run in another folder has other checkpoints to replace."""
    hook = dict(max_keep_ckpts=1)
    tiny_runner(tmp_path / "a", hook, iters=4).train()
    last = tmp_path / "a/iter_4.pth"
    (replaced,) = load_checkpoint(last)["message_hub"]["runtime_info"]["replaced_ckpts"]
    shutil.copy(last, replaced)
    options = dict(resume=True, load_from=str(last))
    tiny_runner(tmp_path / "b", hook, iters=6, **options).train()
    assert names_of(tmp_path / "a") == {"iter_2.pth", "iter_4.pth"}
    assert names_of(tmp_path / "b") == {"iter_6.pth"}
