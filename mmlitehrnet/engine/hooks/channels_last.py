"""Memory layout of the network in a run."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module(force=True)
class ChannelsLastHook(Hook):
    """Lays the network out channels-last, which suits the tensor cores of GPUs.

    Convolutions take the layout of their weights, so nothing else is to be done.
    Checkpoints hold the same values under the same names. In a config::

        default_hooks = dict(channels_last=dict(type='ChannelsLastHook'))
    """

    def before_run(self, runner: Runner) -> None:
        """Change the layout of the weights, before training or testing."""
        runner.model.to(memory_format=torch.channels_last)
