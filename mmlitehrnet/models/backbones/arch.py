"""A network as a table: what ``arch`` and ``extra`` may say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .arguments import (
    check_choice,
    check_count,
    check_flag,
    check_keys,
    check_sequence,
    is_int,
)
from .blocks import BLOCK_TYPES

WIDTHS = (40, 80, 160, 320)


class StageRow(NamedTuple):
    """One stage as the user gave it, checked."""

    num_modules: int
    num_blocks: int
    module_type: str
    with_fuse: bool
    reduce_ratio: float
    channels: tuple[int, ...]


class Arch(NamedTuple):
    """A checked network: its stem's arguments, its stages, its head (if told)."""

    stem: dict
    stages: list[StageRow]
    with_head: bool | None


def arch_row(
    num_modules: tuple[int, ...], module_type: str, widths: tuple[int, ...] = WIDTHS
) -> dict:
    """A row in the layout of ``extra``: three stages of 2, 3 and 4 branches.

    Args:
        num_modules: Modules of each stage.
        module_type: Key of ``BLOCK_TYPES``.
        widths: Widths of the branches, highest resolution first.
    """
    stages = range(len(num_modules))
    return dict(
        stages_spec=dict(
            num_modules=num_modules,
            module_type=(module_type,) * len(num_modules),
            num_channels=tuple(widths[: i + 2] for i in stages),
        )
    )


def find_arch(
    arch: str | dict | None,
    extra: dict | None,
    archs: Mapping[str, dict],
    default: str,
    module_types: Iterable[str],
    stem_defaults: dict,
    stem_multiple: int,
) -> Arch:
    """Check ``arch`` and ``extra`` and give the network that they name.

    Args:
        arch: Name of a row of ``archs``, or a dict in the layout of ``extra``.
        extra: ``stem``, ``num_stages``, ``stages_spec``, ``with_head``, as in the
            configs of MMPose's LiteHRNet.
        archs: The rows that have a name.
        default: Name of the row where neither is given.
        module_types: Blocks that the network can have; the first is the default.
        stem_defaults: Arguments of the stem and their defaults.
        stem_multiple: What the stem's width must be a multiple of.

    Raises:
        TypeError: If a value is of another type than expected.
        ValueError: If a value is not allowed, or both are given.
    """
    if arch is not None and extra is not None:
        raise ValueError(
            f"give either arch or extra, not both: arch={arch!r}, extra={extra!r}"
        )
    name, given = ("arch", arch) if extra is None else ("extra", extra)
    if given is None:
        given = default
    if is_int(given) and name == "arch":
        given = str(given)  # What --cfg-options makes of '18'.
    if isinstance(given, str) and name == "arch":
        given = archs[check_choice(name, given, archs)]
    if not isinstance(given, dict):
        names = f"one of {list(archs)} or " if name == "arch" else ""
        raise TypeError(
            f"{name} must be {names}a dict in the layout of extra, got {given!r}"
        )
    check_keys(name, given, ("stem", "num_stages", "stages_spec", "with_head"))
    with_head = given.get("with_head")
    if with_head is not None:
        check_flag(f"{name}['with_head']", with_head)
    stem = _parse_stem(
        given.get("stem", {}), f"{name}['stem']", stem_defaults, stem_multiple
    )
    if "stages_spec" not in given:
        raise ValueError(f"{name} must have a 'stages_spec', got {given!r}")
    rows = _parse_stages(
        given["stages_spec"],
        given.get("num_stages"),
        f"{name}['stages_spec']",
        tuple(module_types),
    )
    return Arch(stem, rows, with_head)


def _parse_stem(given: Any, name: str, defaults: dict, multiple: int) -> dict:
    stem = {**defaults, **check_keys(name, given, defaults)}
    labels = {key: f"{name}[{key!r}]" for key in stem}
    for key in ("stem_channels", "out_channels"):
        check_count(labels[key], stem[key])
        if stem[key] % multiple:
            raise ValueError(
                f"{labels[key]} must be a multiple of {multiple}, got {stem[key]}"
            )
    width, out = stem["stem_channels"], stem["out_channels"]
    if "expand_ratio" not in defaults:
        if out != width:
            raise ValueError(
                f"{labels['out_channels']} must equal stem_channels ({width}), got "
                f"{out}"
            )
        return stem
    if out < width:
        raise ValueError(
            f"{labels['out_channels']} must be at least stem_channels ({width}), got "
            f"{out}"
        )
    ratio = stem["expand_ratio"]
    if not _is_positive(ratio) or round(width * ratio) < 1:
        raise ValueError(
            f"{labels['expand_ratio']} must be a positive number that leaves a channel "
            f"of {width}, got {ratio!r}"
        )
    return stem


def _parse_stages(
    given: Any, num_stages: Any, name: str, module_types: tuple[str, ...]
) -> list[StageRow]:
    defaults = dict(
        num_branches=None,
        num_blocks=2,
        module_type=module_types[0],
        with_fuse=True,
        reduce_ratios=8,
    )
    required = ("num_modules", "num_channels")
    check_keys(name, given, (*required, *defaults))
    for key in required:
        if key not in given:
            raise ValueError(f"{name} must have {key!r}, got {given!r}")
    if num_stages is None:
        num_stages = max(
            len(check_sequence(f"{name}[{key!r}]", given[key]))
            for key in (*required, *defaults)
            if key in given
        )
    check_count("num_stages", num_stages)
    columns = {}
    for key in (*required, *defaults):
        if key in given:
            columns[key] = check_sequence(f"{name}[{key!r}]", given[key], num_stages)
        else:
            columns[key] = (defaults[key],) * num_stages
    rows: list[StageRow] = []
    for i in range(num_stages):
        cells = {key: column[i] for key, column in columns.items()}
        labels = {key: f"{name}[{key!r}][{i}]" for key in cells}
        row = _parse_stage(cells, labels, module_types)
        if rows and len(row.channels) < len(rows[-1].channels):
            raise ValueError(
                f"{labels['num_channels']} must have at least as many branches as the "
                f"stage before ({len(rows[-1].channels)}), got {row.channels}"
            )
        rows.append(row)
    return rows


def _parse_stage(
    cells: dict[str, Any], labels: dict[str, str], module_types: tuple[str, ...]
) -> StageRow:
    channels = check_sequence(labels["num_channels"], cells["num_channels"])
    branches = cells["num_branches"]
    if branches is not None and branches != len(channels):
        raise ValueError(
            f"{labels['num_branches']} must be the number of widths in num_channels "
            f"({len(channels)}: {channels}), got {branches!r}"
        )
    kind = cells["module_type"]
    kind = kind.upper() if isinstance(kind, str) else kind
    check_choice(labels["module_type"], kind, module_types)
    block = BLOCK_TYPES[kind]
    _check_widths(labels["num_channels"], channels, kind, block.min_width)
    ratio = cells["reduce_ratios"]
    halves = sum(channels) // 2
    if block.uses_ratio and not (_is_positive(ratio) and halves / ratio >= 1):
        raise ValueError(
            f"{labels['reduce_ratios']} must be a positive number of at most {halves}, "
            f"half of all the stage's channels, got {ratio!r}"
        )
    return StageRow(
        check_count(labels["num_modules"], cells["num_modules"]),
        check_count(labels["num_blocks"], cells["num_blocks"]),
        kind,
        check_flag(labels["with_fuse"], cells["with_fuse"]),
        ratio,
        channels,
    )


def _check_widths(name: str, channels: tuple, kind: str, min_width: int) -> None:
    if not channels:
        raise ValueError(f"{name} must have at least one width, got ()")
    for width in channels:
        if not is_int(width):
            raise TypeError(f"{name} must hold ints, got {channels!r}")
        if width < min_width or width % 2:
            raise ValueError(
                f"{name} must hold even widths of at least {min_width} for {kind!r} "
                f"blocks, which work on halves, got {width} in {channels!r}"
            )


def _is_positive(value: Any) -> bool:
    return (is_int(value) or isinstance(value, float)) and 0 < value < math.inf
