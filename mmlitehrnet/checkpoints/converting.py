"""Turn weights of other code into what the configs here load."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from torch import Tensor

from .layouts import LAYOUTS, Layout, Weights

#: What wrappers for training put before all names.
WRAPPERS = re.compile(r"^(module\.|model\.)+")


class Conversion(NamedTuple):
    """What became of a checkpoint.

    Attributes:
        layout: The layout that was found.
        weights: The weights under the new names.
        mapped: Old name -> new name, without what wrappers put before them.
        dropped: Old name -> why it is not used.
    """

    layout: Layout
    weights: Weights
    mapped: dict[str, str]
    dropped: dict[str, str]

    def report(self) -> Iterator[str]:
        """Say in lines what became of every name."""
        renamed = {old: new for old, new in self.mapped.items() if old != new}
        yield from (f"{old} -> {new}" for old, new in renamed.items())
        yield from (f"{old} dropped: {why}" for old, why in self.dropped.items())
        yield (
            f"layout: {self.layout.name}; names kept: "
            f"{len(self.mapped) - len(renamed)}, renamed: {len(renamed)}, dropped: "
            f"{len(self.dropped)}"
        )
        if self.layout.note:
            yield self.layout.note


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
    old = {WRAPPERS.sub("", name): value for name, value in state_dict.items()}
    layout = find_layout(old)
    mapped: dict[str, str] = {}
    dropped: dict[str, str] = {}
    unknown: list[str] = []
    for name in old:
        for rule in layout.rules:
            if found := re.fullmatch(rule.pattern, name):
                if rule.target is None:
                    dropped[name] = rule.why
                else:
                    mapped[name] = found.expand(rule.target)
                break
        else:
            unknown.append(name)
    if unknown:
        raise ValueError(
            f"the checkpoint looks like {layout.name}, but {len(unknown)} of its names "
            f"are not of that layout: {shorten(unknown)}"
        )
    weights = {new: old[name] for name, new in mapped.items()}
    if layout.finish:
        layout.finish(old, weights)
    return Conversion(layout, weights, mapped, dropped)


def find_layout(names: Collection[str]) -> Layout:
    """Find out whose layout a checkpoint has.

    Args:
        names: Names of its tensors, without the prefixes of training wrappers.

    Raises:
        ValueError: If it is none of :data:`LAYOUTS`.
    """
    for layout in LAYOUTS:
        if all(any(re.search(m, name) for name in names) for m in layout.marks):
            return layout
    known = "; ".join(layout.name for layout in LAYOUTS)
    parts = dict.fromkeys(name.split(".")[0] for name in names)
    raise ValueError(
        f"the layout of the checkpoint is not known: its names begin with "
        f"{shorten(parts, 12)}. Known are: {known}"
    )


def shorten(names: Collection[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(list(names)[:most]) + more
