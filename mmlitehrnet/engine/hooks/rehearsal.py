"""Find out before the first step what an evaluation finds out hours later."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from operator import attrgetter
from typing import Any

import torch
from mmengine.evaluator import DumpResults
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner

from ...checkpoints import unwrap
from ...datasets.faults import DataError

#: What a model says of its data -> what the data's metainfo has that many of.
NUMBERS = {
    "head.out_channels": "num_keypoints",
    "head.num_classes": "classes",
    "decode_head.num_classes": "classes",
    "auxiliary_head.num_classes": "classes",
    "bbox_head.num_classes": "classes",
    "roi_head.bbox_head.num_classes": "classes",
}


@HOOKS.register_module()
class RehearsalHook(Hook):
    """Compares the config with the data, and tries the evaluation on two samples.

    - The model's numbers of keypoints or classes must be the data's, the head's widths
      the backbone's: others fail without their cause, or train without a word.
    - An evaluation must come to an end, and give the scores that ``save_best`` and the
      like choose by.
    - A warm-up that is longer than the run is warned of.
    """

    def before_run(self, runner: Runner) -> None:
        """Compare numbers, before training or testing.

        Raises:
            DataError: If the model is made for other data.
        """
        model = unwrap(runner.model)
        compare_widths(model)
        for name in ("train", "val", "test"):
            loop = getattr(runner, f"_{name}_loop")
            if isinstance(loop, BaseLoop):
                compare_numbers(model, loop.dataloader.dataset, f"{name}_dataloader")

    def before_test(self, runner: Runner) -> None:
        """Try the evaluation, and keep a test from reading training data.

        MMSegmentation's drawing asks for the iteration, for which MMEngine builds the
        training loop.

        Raises:
            DataError: If the evaluation fails.
        """
        if not isinstance(runner._train_loop, BaseLoop):
            runner._train_loop = None
        rehearse(runner, "test")

    def before_train(self, runner: Runner) -> None:
        """Try the evaluation, and look at the schedule.

        Raises:
            DataError: If the evaluation fails, or gives no score of a name that the
                config has.
        """
        found: Any = runner.param_schedulers or []
        schedulers = sum(found.values(), []) if isinstance(found, dict) else found
        for scheduler in schedulers:
            length = runner.max_epochs if scheduler.by_epoch else runner.max_iters
            if hasattr(scheduler, "start_factor") and scheduler.end > length:
                runner.logger.warning(
                    f"the warm-up {type(scheduler).__name__} ends after step "
                    f"{scheduler.end}, the run after {length}: the rate of "
                    "optim_wrapper is never reached; give param_scheduler a smaller end"
                )
        if not isinstance(runner._val_loop, BaseLoop):
            return
        scores = rehearse(runner, "val")
        for user in (*runner.hooks, *schedulers):
            # CheckpointHook's; EarlyStoppingHook's and ReduceOnPlateau's.
            for option in ("save_best", "monitor"):
                named = getattr(user, option, None) or ()
                for name in [named] if isinstance(named, str) else named:
                    if scores and name not in (*scores, "auto"):
                        raise DataError(
                            f"{type(user).__name__}: {option}={name!r} is no score of "
                            f"val_evaluator, which gives {sorted(scores)}"
                        )


def compare_widths(model: Any) -> None:
    """Compare ``in_channels`` of what reads our backbone's maps with their widths.

    Raises:
        DataError: If they differ.
    """
    given = getattr(getattr(model, "backbone", None), "out_channels", None)
    neck = getattr(model, "neck", None) is not None
    for part in ("neck",) if neck else ("head", "decode_head", "auxiliary_head"):
        reader = getattr(model, part, None)
        wanted = getattr(reader, "in_channels", None)
        if isinstance(given, tuple) and wanted is not None:
            every = -1 if isinstance(wanted, int) else range(len(given))
            index = getattr(reader, "in_index", every)
            read = [index] if isinstance(index, int) else index
            has = [given[k] for k in read if k < len(given)]
            if wanted not in (has, tuple(has), sum(has)):  # a sum, if concatenated
                raise DataError(
                    f"model.{part}.in_channels is {wanted} (in_index {index}), but the "
                    f"maps of the backbone have {given} channels"
                )


def compare_numbers(model: Any, dataset: Any, place: str) -> None:
    """Compare how many keypoints or classes a model and its data have.

    Raises:
        DataError: If the numbers differ.
    """
    known = dict(getattr(dataset, "metainfo", None) or {})
    for step in getattr(getattr(dataset, "pipeline", None), "transforms", ()):
        if type(step).__name__ == "KeypointConverter":
            known["num_keypoints"] = step.num_keypoints
    decoder = getattr(getattr(model, "head", None), "decoder", None)
    if getattr(decoder, "heatmap_type", "") == "combined":  # three maps a keypoint
        known["num_keypoints"] *= 3
    for argument, key in NUMBERS.items():
        with contextlib.suppress(AttributeError):
            has, wanted = attrgetter(argument)(model), known.get(key)
            wanted = wanted if isinstance(wanted, (int, type(None))) else len(wanted)
            if isinstance(has, int) and wanted is not None and has != wanted:
                raise DataError(
                    f"model.{argument} is {has}, but by the metainfo of "
                    f"{place}.dataset there are {wanted} {key.removeprefix('num_')}: "
                    f"set model.{argument}={wanted}, or the metainfo"
                )


def rehearse(runner: Runner, name: str) -> dict[str, float]:
    """Evaluate two samples without a word, and return the scores.

    Args:
        runner: Has the model, the data and the metrics.
        name: "val" or "test".

    Raises:
        DataError: If it fails.
    """
    loop: Any = getattr(runner, f"{name}_loop")
    evaluator, metrics = loop.evaluator, loop.evaluator.metrics
    dataset, training = loop.dataloader.dataset, runner.model.training
    samples = [dataset[index] for index in range(min(2, len(dataset)))]
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)  # The scores mean nothing.
    evaluator.metrics = [m for m in metrics if not isinstance(m, DumpResults)]
    runner.model.eval()
    try:
        with (
            torch.no_grad(),
            warnings.catch_warnings(action="ignore"),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            batch = loop.dataloader.collate_fn(samples)
            evaluator.process(getattr(runner.model, f"{name}_step")(batch), batch)
            return evaluator.evaluate(len(samples))
    except Exception as error:  # Any layer or metric may find out.
        raise DataError(
            f"{name}_evaluator would fail; on {len(samples)} samples of "
            f"{name}_dataloader: {type(error).__name__}: {error}"
        ) from error
    finally:
        evaluator.metrics = metrics
        logging.disable(before)
        runner.model.train(training)
