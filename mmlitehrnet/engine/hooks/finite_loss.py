"""Stop before a loss that is no number reaches a checkpoint."""

from __future__ import annotations

import math
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
            # torch warns of float(loss) where the loss requires its gradient.
            number = torch.as_tensor(value).item() if "loss" in name else 0
            if not math.isfinite(number):
                batch = data_batch if isinstance(data_batch, dict) else {}
                samples = batch.get("data_samples", ())
                paths = {getattr(sample, "img_path", "no image") for sample in samples}
                raise FloatingPointError(
                    f"{name} is {number} at iteration {runner.iter + 1}; the batch "
                    f"holds {', '.join(sorted(paths))}. No checkpoint was written with "
                    "these weights: resume from the last one with a lower learning "
                    "rate or without the bad data"
                )
