"""Hooks of MMEngine's runner that the configs of this package use by default."""

from .checkpoint import SafeCheckpointHook
from .finite_loss import FiniteLossHook

__all__ = ["FiniteLossHook", "SafeCheckpointHook"]
