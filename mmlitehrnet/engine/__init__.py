"""Hooks and optimizer wrappers for MMEngine's runner."""

from . import hooks, optim_wrappers

__all__ = ["hooks", "optim_wrappers"]
