"""A network as a table: its rows, and how what a user writes becomes one.

The networks' own rows are written as records. ``arch=dict(...)`` and
``extra=dict(...)`` are checked and read into the same records here, once: in the
layout of MMPose's LiteHRNet (``stages_spec``, a column for each property) or of its
HRNet (``stage1`` to ``stage4``, a row for each stage).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import nn

from .arguments import (
    check_choice,
    check_count,
    check_flag,
    check_keys,
    check_sequence,
    is_int,
)


class BlockType(NamedTuple):
    """A kind of block, as a network's table names it.

    Attributes:
        cls: The block.
        arguments: Arguments that set it apart from others of its class.
        min_width: Narrowest branch that it can have; widths are multiples of
            ``width_multiple``.
        width_multiple: 2 where the block works on halves of the channels.
        reduces: Whether it has a reduction ratio.
        expansion: Width of what comes out, relative to the width in the table.
    """

    cls: type[nn.Module]
    arguments: Mapping[str, Any] = {}
    min_width: int = 2
    width_multiple: int = 2
    reduces: bool = False
    expansion: int = 1


class StageSpec(NamedTuple):
    """One stage: a row of a network's table.

    Attributes:
        num_modules: Number of modules, each of blocks and a fusion.
        num_blocks: Blocks of a module, for each branch.
        block: Kind of blocks: a key of the network's ``block_types``.
        channels: Widths of the branches' blocks, highest resolution first.
        with_fuse: Whether the modules exchange across resolutions.
        reduce_ratio: Reduction inside cross-resolution weighting.
    """

    num_modules: int
    num_blocks: tuple[int, ...]
    block: str
    channels: tuple[int, ...]
    with_fuse: bool = True
    reduce_ratio: float = 8

    @property
    def has_fusion(self) -> bool:
        """Whether there is something to exchange, and it is."""
        return self.with_fuse and len(self.channels) > 1


class Arch(NamedTuple):
    """A whole network: a row of its class's ``archs``, or what a user wrote.

    Attributes:
        stages: The stages.
        stem: Arguments of the stem.
        with_head: Whether the iterative head follows, if it is said.
        multiscale_output: Whether all branches are given out by default, if it is said
            (HRNet).
        upsample: How fusions upsample, if it is said (HRNet).
    """

    stages: tuple[StageSpec, ...]
    stem: Mapping[str, Any] = {}
    with_head: bool | None = None
    multiscale_output: bool | None = None
    upsample: str | None = None


def find_arch(
    arch: str | dict | None,
    extra: dict | None,
    archs: Mapping[str, Arch],
    parse: Callable[[dict, str], Arch],
) -> Arch:
    """Give the network that ``arch`` or ``extra`` describes.

    Args:
        arch: A key of ``archs``, or a dict in the layout of ``extra``.
        extra: A dict in the layout that ``parse`` reads.
        archs: The rows that have a name; the first is the default.
        parse: Reads the dict; called with it and the name of the argument.

    Raises:
        TypeError: If a value is of another type than expected.
        ValueError: If a value is not allowed, or both are given.
    """
    if arch is not None and extra is not None:
        raise ValueError(
            f"give either arch or extra, not both: arch={arch!r}, extra={extra!r}"
        )
    if extra is not None:
        return parse(_check_dict("extra", extra, archs), "extra")
    if arch is None:
        return next(iter(archs.values()))
    if is_int(arch):
        arch = str(arch)  # What --cfg-options makes of '18'.
    if isinstance(arch, str):
        return archs[check_choice("arch", arch, archs)]
    return parse(_check_dict("arch", arch, archs), "arch")


def _check_dict(name: str, given: Any, archs: Mapping[str, Arch]) -> dict:
    if not isinstance(given, dict):
        names = f"one of {list(archs)} or " if name == "arch" else ""
        raise TypeError(
            f"{name} must be {names}a dict in the layout of extra, got {given!r}"
        )
    return given


class StemRule(NamedTuple):
    """What a stem's arguments may be.

    Attributes:
        defaults: The arguments and their defaults.
        multiple: What the widths must be a multiple of.
    """

    defaults: Mapping[str, Any]
    multiple: int


def parse_lite_hrnet(
    given: dict, name: str, block_types: Mapping[str, BlockType], stem: StemRule
) -> Arch:
    """Read a dict in the layout of MMPose's LiteHRNet.

    Args:
        given: Keys ``stem``, ``num_stages``, ``stages_spec``, ``with_head``.
        name: Name of the argument, for messages.
        block_types: Kinds of blocks that there can be; the first is the default.
        stem: The stem's rule.

    Raises:
        TypeError: If a value is of another type than expected.
        ValueError: If a value is not allowed or missing.
    """
    check_keys(name, given, ("stem", "num_stages", "stages_spec", "with_head"))
    if given.get("with_head") is not None:
        check_flag(f"{name}['with_head']", given["with_head"])
    arguments = _parse_stem(given.get("stem", {}), f"{name}['stem']", stem)
    if "stages_spec" not in given:
        raise ValueError(f"{name} must have a 'stages_spec', got {given!r}")
    rows = _transpose(
        given["stages_spec"],
        given.get("num_stages"),
        f"{name}['stages_spec']",
        next(iter(block_types)),
    )
    stages: list[StageSpec] = []
    for cells, labels in rows:
        stage = _parse_stage(cells, labels, block_types)
        if stages and len(stage.channels) < len(stages[-1].channels):
            raise ValueError(
                f"{labels['channels']} must have at least as many branches as the "
                f"stage before ({len(stages[-1].channels)}), got {stage.channels}"
            )
        stages.append(stage)
    return Arch(tuple(stages), arguments, given.get("with_head"))


def parse_hrnet(given: dict, name: str, block_types: Mapping[str, BlockType]) -> Arch:
    """Read a dict in the layout of MMPose's HRNet.

    Args:
        given: Keys ``stage1`` to ``stage4`` and, if any, ``upsample``.
        name: Name of the argument, for messages.
        block_types: Kinds of blocks that there can be.

    Raises:
        TypeError: If a value is of another type than expected.
        ValueError: If a value is not allowed or missing.
    """
    names = [f"stage{i}" for i in range(1, 5)]
    check_keys(name, given, (*names, "upsample"))
    stages = []
    for branches, stage in enumerate(names, start=1):
        if stage not in given:
            raise ValueError(f"{name} must have {names}, got {list(given)}")
        cells, labels = _hrnet_row(given[stage], f"{name}[{stage!r}]", branches)
        stages.append(_parse_stage(cells, labels, block_types))
    multiscale_output = given["stage4"].get("multiscale_output")
    if multiscale_output is not None:
        check_flag(f"{name}['stage4']['multiscale_output']", multiscale_output)
    return Arch(
        tuple(stages),
        multiscale_output=multiscale_output,
        upsample=_parse_upsample(given.get("upsample"), f"{name}['upsample']"),
    )


#: Properties of a stage: name in ``stages_spec`` -> name here.
LITE_KEYS = dict(
    num_modules="num_modules",
    num_branches="num_branches",
    num_blocks="num_blocks",
    module_type="block",
    with_fuse="with_fuse",
    reduce_ratios="reduce_ratio",
    num_channels="channels",
)
#: Name in ``stage1`` to ``stage4`` -> name here.
HRNET_KEYS = dict(
    num_modules="num_modules",
    num_branches="num_branches",
    block="block",
    num_blocks="num_blocks",
    num_channels="channels",
)

Cells = dict[str, Any]
Labels = dict[str, str]


def _transpose(
    given: Any, num_stages: Any, name: str, default_block: str
) -> Iterator[tuple[Cells, Labels]]:
    """Turn the columns of ``stages_spec`` into one row for each stage."""
    check_keys(name, given, LITE_KEYS)
    for key in ("num_modules", "num_channels"):
        if key not in given:
            raise ValueError(f"{name} must have {key!r}, got {given!r}")
    columns = {k: check_sequence(f"{name}[{k!r}]", v) for k, v in given.items()}
    if num_stages is None:
        num_stages = max(map(len, columns.values()))
    check_count("num_stages", num_stages)
    for key, column in columns.items():
        check_sequence(f"{name}[{key!r}]", column, num_stages)
    defaults: Cells = dict(num_branches=None, num_blocks=2, block=default_block)
    defaults |= dict(with_fuse=True, reduce_ratio=8)
    for i in range(num_stages):
        cells = {LITE_KEYS[key]: column[i] for key, column in columns.items()}
        labels = {here: f"{name}[{key!r}][{i}]" for key, here in LITE_KEYS.items()}
        yield {**defaults, **cells}, labels


def _hrnet_row(given: Any, name: str, num_branches: int) -> tuple[Cells, Labels]:
    """Turn the dict of one stage into a row."""
    check_keys(name, given, (*HRNET_KEYS, "multiscale_output"))
    for key in HRNET_KEYS:
        if key not in given:
            raise ValueError(f"{name} must have {key!r}, got {given!r}")
    if given["num_branches"] != num_branches:
        raise ValueError(
            f"{name}['num_branches'] must be {num_branches}, got "
            f"{given['num_branches']!r}"
        )
    for key in ("num_blocks", "num_channels"):
        if len(check_sequence(f"{name}[{key!r}]", given[key])) != num_branches:
            raise ValueError(
                f"{name}[{key!r}] must have {num_branches} elements, got {given[key]!r}"
            )
    cells = {here: given[key] for key, here in HRNET_KEYS.items()}
    labels = {here: f"{name}[{key!r}]" for key, here in HRNET_KEYS.items()}
    labels |= dict(with_fuse="with_fuse", reduce_ratio="reduce_ratio")
    return {**cells, "with_fuse": True, "reduce_ratio": 8}, labels


def _parse_stage(
    cells: Cells, labels: Labels, block_types: Mapping[str, BlockType]
) -> StageSpec:
    """Check one row; ``labels`` are the names of its cells in messages."""
    channels = check_sequence(labels["channels"], cells["channels"])
    branches = cells["num_branches"]
    if branches is not None and branches != len(channels):
        raise ValueError(
            f"{labels['num_branches']} must be the number of widths in num_channels "
            f"({len(channels)}: {channels}), got {branches!r}"
        )
    block = cells["block"]
    block = block.upper() if isinstance(block, str) else block
    kind = block_types[check_choice(labels["block"], block, block_types)]
    _check_widths(labels["channels"], channels, block, kind)
    blocks = cells["num_blocks"]
    if is_int(blocks):
        blocks = (blocks,) * len(channels)
    if not isinstance(blocks, Sequence) or isinstance(blocks, str):
        raise TypeError(f"{labels['num_blocks']} must be an int, got {blocks!r}")
    ratio = cells["reduce_ratio"]
    halves = sum(channels) // 2
    if kind.reduces and not (_is_positive(ratio) and halves / ratio >= 1):
        raise ValueError(
            f"{labels['reduce_ratio']} must be a positive number of at most {halves}, "
            f"half of all the stage's channels, got {ratio!r}"
        )
    return StageSpec(
        num_modules=check_count(labels["num_modules"], cells["num_modules"]),
        num_blocks=tuple(check_count(labels["num_blocks"], n) for n in blocks),
        block=block,
        channels=channels,
        with_fuse=check_flag(labels["with_fuse"], cells["with_fuse"]),
        reduce_ratio=ratio,
    )


def _check_widths(
    name: str, channels: tuple[Any, ...], block: str, kind: BlockType
) -> None:
    if not channels:
        raise ValueError(f"{name} must have at least one width, got ()")
    even = "even " if kind.width_multiple == 2 else ""
    why = ", which work on halves" if even else ""
    for width in channels:
        if not is_int(width):
            raise TypeError(f"{name} must hold ints, got {channels!r}")
        if width < kind.min_width or width % kind.width_multiple:
            raise ValueError(
                f"{name} must hold {even}widths of at least {kind.min_width} for "
                f"{block!r} blocks{why}, got {width} in {channels!r}"
            )


def _parse_stem(given: Any, name: str, rule: StemRule) -> dict:
    stem = {**rule.defaults, **check_keys(name, given, rule.defaults)}
    labels = {key: f"{name}[{key!r}]" for key in stem}
    for key in ("stem_channels", "out_channels"):
        check_count(labels[key], stem[key])
        if stem[key] % rule.multiple:
            raise ValueError(
                f"{labels[key]} must be a multiple of {rule.multiple}, got {stem[key]}"
            )
    width, out = stem["stem_channels"], stem["out_channels"]
    if "expand_ratio" not in stem:
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


def _parse_upsample(given: Any, name: str) -> str | None:
    if given is None:
        return None
    check_keys(name, given, ("mode", "align_corners"))
    if given.get("align_corners"):
        raise ValueError(
            f"{name}['align_corners'] must be False or None, got "
            f"{given['align_corners']!r}"
        )
    modes = ("nearest", "bilinear")
    return check_choice(f"{name}['mode']", given.get("mode", "nearest"), modes)


def _is_positive(value: Any) -> bool:
    return (is_int(value) or isinstance(value, float)) and 0 < value < math.inf
