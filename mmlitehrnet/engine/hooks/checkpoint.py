"""Checkpoints that survive crashes, and the check of those that are loaded.

MMEngine writes a checkpoint straight to its final name, removes the one it replaces
before the new one is there, and believes the file ``last_checkpoint``: a process that
dies while it writes leaves a run that cannot be resumed.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner

from ...checkpoints import (
    CheckpointError,
    check_weights,
    explain,
    is_folded,
    make_plain,
    read_file,
    to_builtin,
    unwrap,
)
from ..file_backends import ATOMIC, PARTIAL, LateRemoval

#: MMEngine's file that names the checkpoint to resume from.
LAST = "last_checkpoint"


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, safe against crashes and wrong checkpoints.

    - A checkpoint is written beside its place, flushed and moved there; the one that it
      replaces is removed afterwards, so that for a moment there is one more than
      ``max_keep_ckpts``. A full disk stops the run and leaves the last one as it was.
    - ``--resume`` looks at the check sums of the last checkpoint. If it is damaged, the
      newest whole one is resumed instead, and a warning says so. A run that torchrun
      starts again, or may (``--max-restarts``), resumes also without ``--resume``.
    - PyTorch loads what is written with ``weights_only``.
    - A checkpoint that does not fit the model stops the run, with what differs and what
      to do, where MMEngine would go on with random weights. In training from it
      (``load_from``) only the backbone must fit; what else is left out is logged.

    Args:
        *args: As of ``CheckpointHook``.
        partial_weights: Whether ``load_from`` may leave out any tensor, those of the
            backbone too.
        **kwargs: As of ``CheckpointHook``. Checkpoints are written as described if
            they go to a local folder and no ``backend_args`` say otherwise.
    """

    backend_args: dict | None
    file_backend: Any

    def __init__(
        self,
        *args: Any,
        partial_weights: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.partial_weights = partial_weights
        remote = "://" in str(self.out_dir or "")
        if not remote and not self.backend_args and self.file_client_args is None:
            self.backend_args = dict(backend=ATOMIC)

    # ---------------------------------------------------------------- saving
    def before_train(self, runner: Runner) -> None:
        """Find the folder, and remove what a crash of this run left there.

        Says, too, if the weights that the training starts from are not for training.
        """
        super().before_train(runner)
        model = unwrap(runner.model)
        if is_folded(getattr(model, "backbone", model)):
            runner.logger.warning(
                "the weights that this training starts from are a deployed model's: "
                "the convolutions have taken over the batch normalisation (mean 0, "
                "variance 1 - eps, weight 1 in all layers). They are for testing; "
                "training needs them as they were trained"
            )
        self.file_backend = LateRemoval(
            self.file_backend, str(self.out_dir), runner.message_hub
        )
        if is_main_process():
            self.file_backend.remove_now()
            for path in Path(self.out_dir).glob(f"*.pth{PARTIAL}"):
                path.unlink(missing_ok=True)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Let PyTorch load it with ``weights_only``, as scripts of others do."""
        make_plain(checkpoint)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        super()._save_checkpoint_with_step(runner, step, meta)
        self.file_backend.remove_now()

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        super()._save_best_checkpoint(runner, metrics)
        # `mim test` has a best checkpoint, too, but no training before it.
        if isinstance(getattr(self, "file_backend", None), LateRemoval):
            self.file_backend.remove_now()

    # ------------------------------------------------- before a file is loaded
    def before_run(self, runner: Runner) -> None:
        """Look at the checkpoint that the run is about to resume.

        Raises:
            CheckpointError: If it cannot be used.
        """
        if runner._has_loaded:  # It has trained, and tests what it has.
            return
        # MMEngine keeps what `load_from` and `resume` say in these two alone.
        named = runner._load_from is not None
        if named and runner._resume:
            self._check_load_from(Path(runner._load_from).expanduser())
        goes_on = runner._resume and not named
        if not goes_on and not _is_restarted(runner):
            return
        last = self._find_last(runner)
        if last is not None and not goes_on:
            runner.logger.warning(
                f"torchrun starts this run again, or may: it resumes {last}"
            )
        if last is not None or not named:
            runner._load_from, runner._resume = last, last is not None

    def _check_load_from(self, path: Path) -> None:
        """Check the file that is to be resumed, which is never replaced by another."""
        try:
            if path.is_file():
                read_file(path)
        except CheckpointError as error:
            whole = find_whole(path.parent, self.filename_tmpl)
            hint = f"; the newest whole one beside it is {whole}" if whole else ""
            raise CheckpointError(f"{error}{hint}") from error

    def _find_last(self, runner: Runner) -> str | None:
        """Find the checkpoint to resume: the last one, or the newest that is whole.

        Raises:
            CheckpointError: If there are some, and none is whole.
        """
        last = Path(runner.work_dir) / LAST
        named = last.read_text().strip() if last.is_file() else ""
        if "://" in named:  # Another storage answers for its files itself.
            return named
        try:
            if named:
                read_file(named)
                return named
            problem = f"{last} names no checkpoint"
        except CheckpointError as error:
            problem = str(error)
        for folder in (Path(named or last).parent, last.parent):
            whole = find_whole(folder, self.filename_tmpl)
            if whole is not None:
                runner.logger.warning(
                    f"{problem}: resuming from {whole}, the newest checkpoint that is "
                    "whole"
                )
                return str(whole)
        if named:
            raise CheckpointError(
                f"{problem}, and there is no other checkpoint to resume from in "
                f"{Path(named).parent}: train again without --resume"
            )
        return None  # The run died before its first checkpoint.

    # --------------------------------------------------- after it is read
    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare what was read with the model, before the model gets it.

        Raises:
            CheckpointError: If the model's tensors are not all there.
        """
        name = f"checkpoint {runner._load_from or 'that is resumed'}"
        if runner._resume:
            _check_resumable(runner, checkpoint, name)
        new_head = _trains(runner) and not runner._resume
        try:
            mismatch = check_weights(runner.model, checkpoint, name, new_head)
        except CheckpointError as error:
            if not new_head:
                raise
            if not self.partial_weights:
                raise CheckpointError(
                    f"{error} (default_hooks.checkpoint.partial_weights=True trains "
                    "from what fits)"
                ) from error
            runner.logger.warning(str(error))
            return
        if not mismatch.exact:
            runner.logger.warning(
                f"{name}: {mismatch.fitting} tensors are taken; "
                f"{explain(mismatch, new_head=new_head)}"
            )


def _trains(runner: Runner) -> bool:
    """Whether a run trains: then its training loop is built before the hooks run."""
    return isinstance(runner._train_loop, BaseLoop)


def _is_restarted(runner: Runner) -> bool:
    """Whether torchrun has started a training again, or may do so without --resume.

    From its beginning, or from a checkpoint that was named for its first start, it
    would train and overwrite the checkpoints that it has written since. That it may is
    asked, too, since a machine that joins starts all processes without counting it.
    """
    count, most = (
        int(os.environ.get(f"TORCHELASTIC_{name}", 0))
        for name in ("RESTART_COUNT", "MAX_RESTARTS")
    )
    return _trains(runner) and (count > 0 or (most > 0 and not runner._resume))


def _check_resumable(runner: Runner, checkpoint: dict, name: str) -> None:
    """Check that a checkpoint has what is resumed besides weights.

    Raises:
        CheckpointError: If it has not.
    """
    lacking = [part for part in ("meta", "message_hub") if part not in checkpoint]
    if lacking:
        raise CheckpointError(
            f"{name} cannot be resumed, it has no {lacking}: to start from its weights "
            "use load_from, without --resume"
        )
    # MMEngine warns of a description that is not the same byte by byte.
    described = getattr(runner.train_dataloader.dataset, "metainfo", None)
    meta = checkpoint["meta"]
    if to_builtin(meta.get("dataset_meta")) == to_builtin(described):
        meta["dataset_meta"] = described
    if "optimizer" not in checkpoint:
        runner.logger.warning(
            f"{name} has no state of the optimizer, which starts afresh"
        )


def find_whole(folder: Path, template: str) -> Path | None:
    """Find the newest checkpoint of a folder that is whole.

    Args:
        folder: Folder of checkpoints.
        template: Their names, with ``{}`` for the epoch or iteration.
    """
    number = re.compile(re.escape(template).replace(r"\{\}", r"(\d+)"))
    found = []
    for path in folder.glob(template.replace("{}", "*")):
        if match := number.fullmatch(path.name):
            found.append((path.stat().st_mtime_ns, int(match[1]), path))
    for *_, path in sorted(found, reverse=True):
        with suppress(CheckpointError):
            read_file(path)
            return path
    return None
