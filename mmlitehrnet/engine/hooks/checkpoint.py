"""Checkpoints that survive crashes, and the check of those that are loaded.

MMEngine writes a checkpoint straight to its final name, removes the one it replaces
before the new one is there, and believes the file ``last_checkpoint``: a process that
dies while it writes leaves a run that cannot be resumed.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

from mmengine.dist import barrier, is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...checkpoints import (
    CheckpointError,
    UntrustedCheckpointError,
    check_file,
    check_weights,
    explain,
    load_checkpoint,
    unwrap,
    weights_of,
)

BACKEND = "atomic"
#: Ending of a file that is being written.
PARTIAL = ".partial"
LAST = "last_checkpoint"


@register_backend(BACKEND, force=True)
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
            raise OSError(
                error.errno,
                f"{path} was not saved ({error.strerror}): it needs "
                f"{len(obj) / 2**20:.1f} MiB, {free / 2**20:.1f} MiB are free. The "
                "checkpoints before it are as they were: make room and run again with "
                "--resume",
            ) from error
        _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """Make a change of names in a folder last, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


class _LateRemoval:
    """A file backend whose removals wait until the new file is there."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._waiting: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._waiting.append(path)

    def remove_now(self) -> None:
        while self._waiting:
            path = self._waiting.pop()
            if self._backend.isfile(path):
                self._backend.remove(path)


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, safe against crashes and wrong checkpoints.

    - A checkpoint is written beside its place, flushed and moved there; the one that it
      replaces is removed afterwards, so that for a moment there is one more than
      ``max_keep_ckpts``. A full disk stops the run and leaves the last one as it was.
    - ``--resume`` looks at the check sums of the last checkpoint and takes the newest
      whole one if it is damaged, saying so.
    - A checkpoint that is named (``load_from``, ``--resume PATH``, ``--checkpoint``) is
      refused if it holds more than weights and logs, since loading it can run any code.
    - One that does not fit the model stops the run, with what differs and what to do,
      where MMEngine would go on with random weights. In training from it
      (``load_from``) only the backbone must fit; what else is left out is logged.

    Args:
        *args: As of ``CheckpointHook``.
        trust_checkpoint: Whether a named checkpoint may hold anything. PyTorch 2.6
            and later still refuses it, unless the environment variable
            ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD`` is 1.
        partial_weights: Whether ``load_from`` may leave out any tensor, those of the
            backbone too.
        **kwargs: As of ``CheckpointHook``. Checkpoints are written as described if
            they go to a local folder and no ``backend_args`` say otherwise.
    """

    def __init__(
        self,
        *args: Any,
        trust_checkpoint: bool = False,
        partial_weights: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.trust_checkpoint = trust_checkpoint
        self.partial_weights = partial_weights
        remote = "://" in str(self.out_dir or "")
        if not remote and not self.backend_args and self.file_client_args is None:
            self.backend_args = dict(backend=BACKEND)

    # ---------------------------------------------------------------- saving
    def before_train(self, runner: Runner) -> None:
        """Find the folder, and remove what an earlier crash left half written."""
        super().before_train(runner)
        self.file_backend = _LateRemoval(self.file_backend)
        if is_main_process() and Path(self.out_dir).is_dir():
            for path in Path(self.out_dir).glob(f"*.pth{PARTIAL}"):
                path.unlink(missing_ok=True)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        super()._save_checkpoint_with_step(runner, step, meta)
        self.file_backend.remove_now()

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        super()._save_best_checkpoint(runner, metrics)
        if isinstance(getattr(self, "file_backend", None), _LateRemoval):
            self.file_backend.remove_now()

    # --------------------------------------------------------------- loading
    def before_run(self, runner: Runner) -> None:
        """Look at the checkpoint that the run is about to load.

        Raises:
            CheckpointError: If it cannot be used.
        """
        # What the run loads is told by these two alone; MMEngine names them so.
        path, resume = runner._load_from, runner._resume
        if path is not None and Path(path).expanduser().is_file():
            self._check_named(Path(path).expanduser())
        elif path is None and resume:
            if is_main_process():
                self._mend_last(runner)
            barrier()

    def _check_named(self, path: Path) -> None:
        try:
            check_file(path)
        except CheckpointError as error:
            whole = find_whole(path.parent, self.filename_tmpl, skip=path)
            hint = f"; the newest whole one beside it is {whole}" if whole else ""
            raise CheckpointError(f"{error}{hint}") from error
        if self.trust_checkpoint:
            return
        try:
            load_checkpoint(path)
        except UntrustedCheckpointError as error:
            raise UntrustedCheckpointError(
                f"{error}, or trust it: "
                "default_hooks.checkpoint.trust_checkpoint=True, and with PyTorch 2.6 "
                "or later TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1"
            ) from error

    def _mend_last(self, runner: Runner) -> None:
        """Let ``last_checkpoint`` name a checkpoint that can be loaded."""
        last = Path(runner.work_dir) / LAST
        named = last.read_text().strip() if last.is_file() else ""
        if "://" in named:
            return
        if named:
            try:
                check_file(named)
                return
            except CheckpointError as error:
                problem = str(error)
        elif last.is_file():
            problem = f"{last} names no checkpoint"
        else:
            problem = f"{last} is missing"
        folders = [Path(named).parent] if named else []
        for folder in [*folders, Path(runner.work_dir)]:
            whole = find_whole(folder, self.filename_tmpl)
            if whole is not None:
                runner.logger.warning(
                    f"{problem}: resuming from {whole}, the newest checkpoint that is "
                    "whole"
                )
                AtomicBackend().put(str(whole).encode(), last)
                return
        if named:
            raise CheckpointError(
                f"{problem}, and there is no other checkpoint to resume from in "
                f"{Path(named).parent}: train again without --resume"
            )
        last.unlink(missing_ok=True)  # nothing was saved yet

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare what was read with the model, before it is loaded.

        Raises:
            CheckpointError: If the model's tensors are not all there.
        """
        resume = runner._resume
        name = f"checkpoint {runner._load_from or 'that is resumed'}"
        if resume:
            parts = ("meta", "message_hub")
            lacking = [part for part in parts if part not in checkpoint]
            if lacking:
                raise CheckpointError(
                    f"{name} cannot be resumed, it has no {lacking}: to start from its "
                    "weights use load_from, without --resume"
                )
            if "optimizer" not in checkpoint:
                runner.logger.warning(
                    f"{name} has no state of the optimizer, which starts afresh"
                )
        # A training loop is built before anything is loaded.
        training = not isinstance(runner._train_loop, (dict, type(None)))
        start = training and not resume
        try:
            mismatch = check_weights(
                unwrap(runner.model),
                weights_of(checkpoint, name),
                name,
                new_head=start,
                checkpoint=checkpoint,
            )
        except CheckpointError as error:
            if not (start and self.partial_weights):
                hint = (
                    " (default_hooks.checkpoint.partial_weights=True trains from what "
                    "fits)"
                )
                raise CheckpointError(f"{error}{hint if start else ''}") from error
            runner.logger.warning(str(error))
            return
        if mismatch.missing or mismatch.shapes or mismatch.unexpected:
            runner.logger.warning(
                f"{name}: {mismatch.fitting} tensors are taken; {explain(mismatch)}"
            )


def find_whole(folder: Path, template: str, skip: Path | None = None) -> Path | None:
    """Find the newest checkpoint of a folder that is whole.

    Args:
        folder: Folder of checkpoints.
        template: Their names, with ``{}`` for the epoch or iteration.
        skip: One that is known to be damaged.
    """
    number = re.compile(re.escape(template).replace(r"\{\}", r"(\d+)"))
    found = []
    for path in folder.glob(template.replace("{}", "*")):
        match = number.fullmatch(path.name)
        if match and path != skip:
            found.append((path.stat().st_mtime_ns, int(match.group(1)), path))
    for *_, path in sorted(found, reverse=True):
        try:
            check_file(path)
        except CheckpointError:
            continue
        return path
    return None
