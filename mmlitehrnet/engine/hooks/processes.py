"""Several processes, on one machine or many, that train one network."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import mmengine
import torch
from mmengine.dist import all_gather_object, get_world_size, is_distributed
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from ...version import __version__

#: What a config says of a run; the rest may differ from machine to machine.
PARTS = (
    "model custom_hooks optim_wrapper param_scheduler auto_scale_lr randomness "
    "train_cfg train_dataloader val_cfg val_dataloader val_evaluator "
    "test_cfg test_dataloader test_evaluator"
).split()
#: And within these: how data are read. What has a slash, a path, may differ, too.
OWN = {"num_workers", "persistent_workers", "pin_memory", "prefetch_factor"}
#: What gloo says where another process has ended.
ENDED = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")
#: Names of the learning rate in a group of parameters.
RATES = ("lr", "initial_lr", "max_lr", "min_lr")


@HOOKS.register_module()
class ProcessesHook(Hook):
    """Lets all processes of a run agree, and a resumed run have another number of them.

    - Before the first step (and before a test) the processes compare what must be
      equal: what their configs say of the run, versions, numbers of samples, the
      checkpoint, epoch and iteration they go on from, and the weights.
    - Results of an evaluation go through the process group. MMEngine writes them to the
      working directory, which machines need not share.
    - A checkpoint says how many samples a step had. A run that resumes it with another
      number scales the learning rate in proportion, with ``--auto-scale-lr``, or warns.
    - A process that ends because another one did waits, so that the cause is said last.
    """

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        if is_distributed() and not isinstance(sys.excepthook, partial):
            sys.excepthook = partial(_let_the_cause_speak_last, sys.excepthook)

    def before_run(self, runner: Runner) -> None:
        """Gather results of evaluations through the process group."""
        for loop in (runner._val_loop, runner._test_loop):
            for metric in getattr(getattr(loop, "evaluator", None), "metrics", ()):
                if metric.collect_dir is None:
                    metric.collect_device = "gpu"  # MMEngine's name for it

    def before_train(self, runner: Runner) -> None:
        """Compare the processes.

        Raises:
            RuntimeError: In every process, if something differs.
        """
        agree(facts_of(runner))

    before_test = before_train

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Say how many samples a step has."""
        checkpoint["meta"]["total_batch"] = total_batch(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Scale the learning rate to the number of samples of a step."""
        now = total_batch(runner) if runner._resume else 0
        before = (checkpoint.get("meta") or {}).get("total_batch", now)
        if now == before or not now or not before:
            return
        factor = now / before
        if (runner.auto_scale_lr or {}).get("enable"):
            scale_rates(checkpoint, factor)
            rate = f"the learning rate is multiplied by {factor:g}"
        else:
            rate = (
                "the learning rate stays as it was; --auto-scale-lr "
                f"(auto_scale_lr.enable=True) would multiply it by {factor:g}"
            )
        runner.logger.warning(
            f"the checkpoint is of a run with {before} samples a step, this one has "
            f"{now}: {rate}. Schedules in iterations are not changed"
        )


def total_batch(runner: Runner) -> int:
    """Number of samples of a step over all processes; 0 if it cannot be told."""
    return get_world_size() * batch_size(runner.train_dataloader)


def batch_size(loader: DataLoader) -> int:
    """Number of samples of a batch; 0 where a batch sampler of one's own hides it."""
    return getattr(loader.batch_sampler, "batch_size", 0)


def scale_rates(checkpoint: dict, factor: float) -> None:
    """Multiply the learning rates in a checkpoint, as if it had begun with them."""
    optimizer = checkpoint.get("optimizer", {})
    schedules = checkpoint.get("param_schedulers", [])
    # With several optimizers, both have a dict of them.
    for state in [optimizer] if "param_groups" in optimizer else optimizer.values():
        base = state.get("base_param_settings")
        for group in [*state["param_groups"], *([base] if base else [])]:
            group.update({key: group[key] * factor for key in RATES if key in group})
    for states in [schedules] if isinstance(schedules, list) else schedules.values():
        for state in states:
            if state["param_name"] == "lr":
                for key in ("base_values", "_last_value"):
                    state[key] = [value * factor for value in state[key]]


def facts_of(runner: Runner) -> dict[str, Any]:
    """Collect what must be equal in all processes, by what a user calls it."""
    path = Path(runner._load_from or "")
    facts = {
        "mmlitehrnet": __version__,
        "torch": torch.__version__,
        "mmengine": mmengine.__version__,
        "the checkpoint": path.name or None,
        "the size of the checkpoint": path.stat().st_size if path.is_file() else None,
    }
    for verb in ("train", "val", "test"):
        loop = getattr(runner, f"_{verb}_loop")
        if hasattr(loop, "dataloader"):  # It is built.
            facts[f"the number of samples to {verb} on"] = len(loop.dataloader.dataset)
            facts[f"the batch size to {verb} with"] = batch_size(loop.dataloader)
        if hasattr(loop, "_epoch"):
            facts |= {"the epoch": loop.epoch, "the iteration": loop.iter}
    for part in PARTS:
        facts |= dict(settings(runner.cfg.get(part), part))
    if isinstance(runner.model, DistributedDataParallel):  # no shards
        facts["the check sum of the weights"] = check_sum(runner.model)
    return facts


def settings(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Take a config apart: names as of ``--cfg-options``, and plain values."""
    if isinstance(value, (list, tuple)):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in OWN:
                yield from settings(item, f"{name}.{key}")
    elif isinstance(value, (bool, int, float, str)) and "/" not in str(value):
        yield name, value


def check_sum(model: nn.Module) -> int:
    """CRC-32 of all parameters."""
    total = 0
    for parameter in model.parameters():
        flat = parameter.detach().flatten().cpu()
        total = crc32(flat.view(torch.uint8).numpy().data, total)
    return total


def agree(facts: dict[str, Any]) -> None:
    """Compare facts with those of the other processes.

    Raises:
        RuntimeError: In every process with the same words, if something differs.
    """
    found = all_gather_object((socket.gethostname(), facts))
    differing = []
    for name in dict.fromkeys(name for _, one in found for name in one):
        places: dict[str, str] = {}  # The first process that has a value.
        for rank, (host, one) in enumerate(found):
            places.setdefault(repr(one.get(name)), f"{host} (process {rank})")
        if len(places) > 1:
            sides = (f"{value} on {place}" for value, place in places.items())
            differing.append(f"{name} is " + ", ".join(sides))
    if differing:
        more = f"; and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise RuntimeError(
            f"the processes are not of one run: {'; '.join(differing[:5])}{more}. "
            "Every machine needs the same code, config, data and work_dir"
        )


def _let_the_cause_speak_last(show: Callable, *raised: Any) -> None:
    """Be ``sys.excepthook``: what the launcher ends in the meantime says nothing."""
    if any(words in str(raised[1]) for words in ENDED):
        time.sleep(3)
    show(*raised)
