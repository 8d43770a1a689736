"""Let MMEngine's ``compile`` option train models with data samples.

For MMEngine 0.10, which hands whole training steps to ``torch.compile``: moving data
samples to the device stops the compiler, and of the optimizer it makes another version
for each learning rate. Both run uncompiled here; networks and losses are compiled. Can
go when MMEngine leaves them out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


def networks_only(maybe_compile: Callable) -> Callable:
    """Wrap ``_maybe_compile`` so that samples and optimizers are left out."""

    @functools.wraps(maybe_compile)
    def compile_step(self: Runner, target: str) -> None:
        if self.cfg.get("compile"):
            model = self.model.module if is_model_wrapper(self.model) else self.model
            for owner, name in (
                (getattr(model, "data_preprocessor", None), "forward"),
                (self.optim_wrapper, "update_params"),
            ):
                if owner is not None:
                    part = getattr(owner, name)
                    setattr(owner, name, torch.compiler.disable(part))
        maybe_compile(self, target)

    return compile_step


def allow_compiling() -> None:
    """Let the option compile what can be compiled."""
    Runner._maybe_compile = networks_only(Runner._maybe_compile)
