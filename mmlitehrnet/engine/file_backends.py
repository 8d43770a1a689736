"""How checkpoints get to the disk, for MMEngine's file backends."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import MessageHub

#: Name of :class:`AtomicBackend` in ``backend_args``.
ATOMIC = "atomic"
#: Suffix of a file that is being written.
PARTIAL = ".partial"
#: Where the message hub, and so a checkpoint, has the checkpoints that it replaces.
REPLACED = "replaced_ckpts"


@register_backend(ATOMIC, force=True)
class AtomicBackend(LocalBackend):
    """Local files that are there as a whole or not at all."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file beside its place, flush it to the disk, and move it there.

        Args:
            obj: What the file shall hold.
            filepath: Its name; a file of that name is replaced.

        Raises:
            OSError: If it cannot be written, on a full disk for example; a file that
                had the name before is as it was.
        """
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + PARTIAL)
        try:
            with partial.open("wb") as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            free = shutil.disk_usage(path.parent).free
            hint = "Make room and run again"
            if any(path.parent.glob(f"*{path.suffix}")):
                hint = (
                    "The checkpoints before it are as they were: make room and run "
                    "again with --resume"
                )
            raise OSError(
                error.errno,
                f"{path} was not saved ({error.strerror}): it needs "
                f"{len(obj) / 2**20:.1f} MiB, {free / 2**20:.1f} MiB are free. {hint}",
            ) from error
        # The new name outlives a power failure, too, where the file system can do that.
        with suppress(OSError):
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


class LateRemoval:
    """A file backend that removes a replaced checkpoint after the new one is written.

    MMEngine removes it before. The new checkpoint names the old one in its message
    hub: a run that dies between the two removes it when it is resumed. A checkpoint of
    another run, which a resumed one may name, stays where it is.

    Args:
        backend: The file backend that does the work.
        folder: Folder of the run's checkpoints.
        message_hub: The message hub of the run.
    """

    def __init__(self, backend: Any, folder: str, message_hub: MessageHub) -> None:
        self._backend, self._folder = backend, folder
        self._waiting: list[str] = message_hub.runtime_info.get(REPLACED) or []
        message_hub.update_info(REPLACED, self._waiting)

    def __getattr__(self, name: str) -> Any:
        """Do the rest as the backend does."""
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        """Remember a file to be removed."""
        self._waiting.append(path)

    def remove_now(self) -> None:
        """Remove the files that wait for it."""
        while self._waiting:
            path = self._waiting.pop()
            if os.path.dirname(path) == self._folder and self._backend.isfile(path):
                self._backend.remove(path)
