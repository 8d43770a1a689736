"""Checks of the arguments that all four backbones share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from mmengine.registry import MODELS
from torch import Tensor


def is_int(value: Any) -> bool:
    """Whether a value is an integer and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_count(name: str, value: Any, minimum: int = 1) -> int:
    """Return ``value`` if it is an integer of at least ``minimum``.

    Raises:
        TypeError: If it is no integer.
        ValueError: If it is too small.
    """
    if not is_int(value):
        raise TypeError(f"{name} must be an int, got {value!r}")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value}")
    return value


def check_flag(name: str, value: Any) -> bool:
    """Return ``value`` if it is a bool.

    Raises:
        TypeError: If it is not.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def check_keys(name: str, given: Any, allowed: Iterable[str]) -> dict:
    """Return ``given`` if it is a dict of known keys.

    Raises:
        TypeError: If it is no dict.
        ValueError: If it has a key that is not in ``allowed``.
    """
    if not isinstance(given, dict):
        raise TypeError(f"{name} must be a dict, got {given!r}")
    unknown = [key for key in given if key not in allowed]
    if unknown:
        raise ValueError(
            f"{name} has unknown keys {unknown}; allowed are {sorted(allowed)}"
        )
    return given


def check_choice(name: str, value: Any, allowed: Iterable) -> Any:
    """Return ``value`` if it is one of ``allowed``.

    Raises:
        ValueError: If it is not.
    """
    allowed = list(allowed)
    if value not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}")
    return value


def check_sequence(name: str, value: Any, length: int | None = None) -> tuple:
    """Return a list or tuple as a tuple.

    Args:
        name: Name of the argument, for the message.
        value: The list or tuple.
        length: Least number of elements, if any; more are cut off, as a
            ``num_stages`` smaller than the rows of a table asks for.

    Raises:
        TypeError: If it is neither list nor tuple.
        ValueError: If it has too few elements.
    """
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{name} must be a list or tuple, got {value!r}")
    if length is not None and len(value) < length:
        raise ValueError(
            f"{name} must have {length} elements, got {len(value)}: {value!r}"
        )
    return tuple(value[:length])


def check_layer(name: str, cfg: Any, example: str) -> dict:
    """Return the config of a layer if it names one that is registered.

    Args:
        name: Name of the argument, for the message.
        cfg: Should be a dict with a 'type': a name, or a class.
        example: A name, for the message.

    Raises:
        TypeError: If it is no dict with a 'type'.
        ValueError: If no layer has that name.
    """
    if not isinstance(cfg, dict) or "type" not in cfg:
        raise TypeError(
            f"{name} must be a dict with a 'type', as dict(type={example!r}), got "
            f"{cfg!r}"
        )
    with MODELS.switch_scope_and_registry(None) as registry:
        if isinstance(cfg["type"], str) and registry.get(cfg["type"]) is None:
            raise ValueError(
                f"the type of {name} must be the name of a layer, as {example!r}, got "
                f"{cfg['type']!r}, which is not registered"
            )
    return cfg


def check_out_indices(out_indices: Any, num_branches: int) -> tuple[int, ...]:
    """Return the branches to give out as a tuple.

    Raises:
        TypeError: If it is not an int or a list or tuple of ints.
        ValueError: If it is empty, names a branch twice, or one there is not.
    """
    if is_int(out_indices):
        out_indices = (out_indices,)
    if not isinstance(out_indices, Sequence) or isinstance(out_indices, str):
        raise TypeError(
            f"out_indices must be an int or a tuple of ints, got {out_indices!r}"
        )
    for index in out_indices:
        if not is_int(index):
            raise TypeError(f"out_indices must hold ints, got {out_indices!r}")
    in_range = all(0 <= index < num_branches for index in out_indices)
    if not out_indices or not in_range or len(set(out_indices)) < len(out_indices):
        raise ValueError(
            f"out_indices must name one or more of the branches 0 to "
            f"{num_branches - 1}, each once, got {out_indices!r}"
        )
    return tuple(out_indices)


def check_image(x: Any, in_channels: int) -> None:
    """Check what comes into a backbone.

    Args:
        x: Should be a floating-point tensor of shape (N, in_channels, H, W).
        in_channels: Number of image channels.

    Raises:
        TypeError: If it is no tensor, or not of a floating-point type.
        ValueError: If it has another rank or number of channels, or no pixels.
    """
    if not isinstance(x, Tensor):
        raise TypeError(
            f"the input must be a tensor of shape (N, {in_channels}, H, W), got "
            f"{type(x).__name__}"
        )
    if torch.jit.is_tracing():
        return
    if not x.is_floating_point():
        raise TypeError(f"the input must be of a floating-point type, got {x.dtype}")
    if x.dim() != 4 or x.shape[1] != in_channels:
        raise ValueError(
            f"the input must have shape (N, {in_channels}, H, W), got {tuple(x.shape)}"
        )
    if x.numel() == 0:
        raise ValueError(f"the input is empty: its shape is {tuple(x.shape)}")
