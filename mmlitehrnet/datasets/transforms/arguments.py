"""Check of the transforms' arguments."""

from __future__ import annotations

import math


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Raise a ValueError unless ``value`` is a number from ``low`` to ``high``."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high or math.isinf(value):
        limits = f"of at least {low}" if math.isinf(high) else f"from {low} to {high}"
        raise ValueError(f"{name} must be a number {limits}, got {value!r}")
