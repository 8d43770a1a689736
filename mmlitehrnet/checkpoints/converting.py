"""Turn weights of other code into what the configs here load."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from torch import Tensor

from .layouts import Layout, Weights, find_layout, find_rule, shorten

#: What wrappers for training put before all names.
WRAPPERS = ("module.", "model.")


class Conversion(NamedTuple):
    """What became of a checkpoint.

    Attributes:
        layout: The layout that was found.
        weights: The weights under the new names.
        mapped: Old name -> new name, as they were in the file.
        dropped: Old name -> why it is not used.
        finished: What was done beyond renaming, or ''.
    """

    layout: Layout
    weights: Weights
    mapped: dict[str, str]
    dropped: dict[str, str]
    finished: str

    def report(self) -> Iterator[str]:
        """Say in lines what became of every name."""
        renamed = {old: new for old, new in self.mapped.items() if old != new}
        yield from (f"{old} -> {new}" for old, new in renamed.items())
        yield from (f"{old} dropped: {why}" for old, why in self.dropped.items())
        yield from filter(None, (self.finished,))
        yield (
            f"layout: {self.layout.name}; names kept: "
            f"{len(self.mapped) - len(renamed)}, renamed: {len(renamed)}, dropped: "
            f"{len(self.dropped)}"
        )
        yield from filter(None, (self.layout.note,))


def convert(state_dict: Mapping[str, Tensor]) -> Conversion:
    """Convert weights of any known layout.

    Args:
        state_dict: Weights under the names of the other code.

    Returns:
        The weights under our names, and what became of each name.

    Raises:
        ValueError: If the layout is unknown, or a name that the layout does not have
            is among them.
    """
    bare = {name: _without_wrappers(name) for name in state_dict}
    old = {bare[name]: value for name, value in state_dict.items()}
    layout = find_layout(old)
    weights: Weights = {}
    mapped: dict[str, str] = {}
    dropped: dict[str, str] = {}
    unknown: list[str] = []
    for name in state_dict:
        rule = find_rule(layout, bare[name])
        if rule is None:
            unknown.append(name)
        elif rule.target is None:
            dropped[name] = rule.why
        else:
            mapped[name] = re.sub(rule.pattern, rule.target, bare[name])
            weights[mapped[name]] = old[bare[name]]
    if unknown:
        raise ValueError(
            f"the checkpoint looks like {layout.name}, but {len(unknown)} of its names "
            f"are not of that layout: {shorten(unknown)}"
        )
    finished = layout.finish(old, weights) if layout.finish else ""
    return Conversion(layout, weights, mapped, dropped, finished)


def _without_wrappers(name: str) -> str:
    while name.startswith(WRAPPERS):
        name = name.split(".", 1)[1]
    return name
