"""Checks of arguments: an error names the argument, what is right, and its value."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from mmengine.registry import MODELS
from torch import Tensor


def check(good: bool, name: str, right: str, value: Any) -> None:
    """Raise a ValueError unless the value of an argument is good."""
    if not good:
        raise ValueError(f"{name} must be {right}, got {value!r}")


def is_int(value: Any) -> bool:
    """Whether a value is an integer and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_count(name: str, value: Any, minimum: int = 1) -> int:
    """Return an integer of at least ``minimum``; else see :func:`check`."""
    good = is_int(value) and value >= minimum
    check(good, name, f"an int of at least {minimum}", value)
    return value


def check_flag(name: str, value: Any) -> bool:
    """Return a bool; else see :func:`check`."""
    check(isinstance(value, bool), name, "True or False", value)
    return value


def check_choice(name: str, value: Any, allowed: Collection) -> Any:
    """Return one of ``allowed``; else see :func:`check`."""
    check(value in list(allowed), name, f"one of {list(allowed)}", value)
    return value


def check_list(name: str, value: Any, length: int = 0) -> tuple:
    """Return a list or tuple of at least ``length``; else see :func:`check`."""
    good = isinstance(value, (list, tuple)) and len(value) >= length
    check(good, name, f"a list or tuple of at least {length} elements", value)
    return tuple(value)


def check_keys(
    name: str, given: Any, allowed: Collection[str], required: Collection[str] = ()
) -> dict:
    """Return a dict of known keys, the required among them; else see :func:`check`."""
    keys = list(given) if isinstance(given, dict) else given
    right = f"a dict of {list(allowed)}"
    right += f", with {list(required)} at least" if required else ""
    good = isinstance(given, dict) and {*required} <= {*keys} <= {*allowed}
    check(good, name, right, keys)
    return given


def check_layer(name: str, cfg: Any, example: str) -> dict:
    """Return the config of a layer: a dict whose 'type' is a class or registered."""
    good = isinstance(cfg, dict) and isinstance(cfg.get("type"), (str, type))
    if good and isinstance(cfg["type"], str):
        with MODELS.switch_scope_and_registry(None) as registry:
            good = registry.get(cfg["type"]) is not None
    check(good, name, f"a dict with the type of a layer, as {example!r}", cfg)
    return cfg


def check_out_indices(out_indices: Any, num_branches: int) -> tuple[int, ...]:
    """Return the branches whose maps are given out, each named once, as a tuple."""
    indices = (out_indices,) if is_int(out_indices) else out_indices
    good = isinstance(indices, (list, tuple)) and len(indices) > 0
    good = good and all(is_int(i) and 0 <= i < num_branches for i in indices)
    right = f"one or more of the branches 0 to {num_branches - 1}, each once"
    check(good and len({*indices}) == len(indices), "out_indices", right, out_indices)
    return tuple(indices)


def check_image(x: Any, in_channels: int) -> None:
    """Raise a ValueError unless ``x`` is images (N, in_channels, H, W) of floats."""
    right = f"a floating-point tensor of shape (N, {in_channels}, H, W), not empty"
    check(isinstance(x, Tensor), "the input", right, type(x))
    if not torch.jit.is_tracing():
        check(x.is_floating_point(), "the input", right, x.dtype)
        good = x.dim() == 4 and x.shape[1] == in_channels and x.numel() > 0
        check(good, "the input", right, tuple(x.shape))
