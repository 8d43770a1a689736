"""Stop before a loss that is no number reaches a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stops training at the first loss that is NaN or infinite, naming the images.

    The step that gave it has changed the weights already, but no checkpoint has been
    written since: the last one is from before. With dynamic loss scaling (``--amp``)
    an overflow is skipped by the optimizer and does not show in the loss.
    """

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Look at the losses of a step.

        Raises:
            FloatingPointError: If one is not finite.
        """
        for name, value in (outputs or {}).items():
            if "loss" not in name:
                continue
            # torch warns of float(loss) where the loss requires its gradient.
            number = value.item() if isinstance(value, torch.Tensor) else value
            if not math.isfinite(number):
                raise FloatingPointError(
                    f"{name} is {number} at iteration {runner.iter + 1}; the "
                    f"batch holds {', '.join(image_paths(data_batch)) or 'no images'}. "
                    "No checkpoint was written with these weights: resume from the "
                    "last one with a lower learning rate or without the bad data"
                )


def image_paths(data_batch: Any) -> list[str]:
    """Files that a batch of MMPose or MMSegmentation was made from."""
    samples: Sequence = ()
    if isinstance(data_batch, dict):
        samples = data_batch.get("data_samples") or ()
    paths = [getattr(sample, "img_path", None) for sample in samples]
    return sorted({str(path) for path in paths if path})
