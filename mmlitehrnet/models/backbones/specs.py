"""A network as a table: its rows, and how what a user writes becomes one.

The networks' own rows are written as records. ``arch=dict(...)`` and
``extra=dict(...)`` are checked and read into the same records here, once: in the
layout of MMPose's LiteHRNet (``stages_spec``, a column for each property) or of its
HRNet (``stage1`` to ``stage4``, a row for each stage). What is wrong in them is a
ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..layers.fusion import UPSAMPLING
from .arguments import (
    check,
    check_choice,
    check_count,
    check_flag,
    check_keys,
    check_list,
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
    """

    cls: type[Any]
    arguments: Mapping[str, Any] = {}
    min_width: int = 2
    width_multiple: int = 2
    reduces: bool = False


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
    """
    if extra is not None:
        check(arch is None, "arch", "left out where extra is given", arch)
        check(isinstance(extra, dict), "extra", "a dict", extra)
        return parse(extra, "extra")
    if arch is None:
        return next(iter(archs.values()))
    if isinstance(arch, dict):
        return parse(arch, "arch")
    name = str(arch) if is_int(arch) else arch  # --cfg-options makes 18 of '18'.
    check(name in [*archs], "arch", f"one of {[*archs]}, or a dict as extra", arch)
    return archs[name]


#: Columns of ``stages_spec``: one element for each stage.
LITE_KEYS = (
    "num_modules", "num_branches", "num_blocks", "module_type", "with_fuse",
    "reduce_ratios", "num_channels",
)  # fmt: skip
#: Keys of ``stage1`` to ``stage4``.
HRNET_KEYS = ("num_modules", "num_branches", "block", "num_blocks", "num_channels")


def parse_lite_hrnet(
    given: dict,
    name: str,
    block_types: Mapping[str, BlockType],
    stem: Mapping[str, Any],
    multiple: int,
) -> Arch:
    """Read a dict in the layout of MMPose's LiteHRNet.

    Args:
        given: Keys ``stem``, ``num_stages``, ``stages_spec``, ``with_head``.
        name: Name of the argument, for messages.
        block_types: Kinds of blocks; the first is the default.
        stem: Arguments of the stem and their defaults.
        multiple: What the stem's widths must be multiples of.
    """
    keys = ("stem", "num_stages", "stages_spec", "with_head")
    check_keys(name, given, keys, ["stages_spec"])
    place = f"{name}['stages_spec']"
    spec = given["stages_spec"]
    check_keys(place, spec, LITE_KEYS, ["num_modules", "num_channels"])
    columns = {key: check_list(f"{place}[{key!r}]", spec[key]) for key in spec}
    num_stages = given.get("num_stages")
    if num_stages is None:
        num_stages = max(map(len, columns.values()))
    check_count(f"{name}['num_stages']", num_stages)
    for key, column in columns.items():
        check_list(f"{place}[{key!r}]", column, num_stages)
    stages: list[StageSpec] = []
    for i in range(num_stages):
        cells = {key: column[i] for key, column in columns.items()}
        at = f"{place}[{{!r}}][{i}]".format
        check_count(at("num_blocks"), cells.setdefault("num_blocks", 2))
        stage = _parse_stage(cells, at, block_types, "module_type")
        least = len(stages[-1].channels) if stages else 1
        right = f"at least {least} widths, as many as of the stage before"
        good = len(stage.channels) >= least
        check(good, at("num_channels"), right, stage.channels)
        stages.append(stage)
    with_head = given.get("with_head")
    check_choice(f"{name}['with_head']", with_head, (None, False, True))
    place = f"{name}['stem']"
    stem = {**stem, **check_keys(place, given.get("stem", {}), stem)}
    _check_stem(stem, place, multiple)
    return Arch(tuple(stages), stem, with_head)


def parse_hrnet(given: dict, name: str, block_types: Mapping[str, BlockType]) -> Arch:
    """Read a dict in the layout of MMPose's HRNet.

    Args:
        given: Keys ``stage1`` to ``stage4`` and, if any, ``upsample``.
        name: Name of the argument, for messages.
        block_types: Kinds of blocks that there can be.
    """
    names = [f"stage{i}" for i in range(1, 5)]
    check_keys(name, given, (*names, "upsample"), names)
    stages = []
    for branches, stage in enumerate(names, start=1):
        place, allowed = f"{name}[{stage!r}]", (*HRNET_KEYS, "multiscale_output")
        cells = check_keys(place, given[stage], allowed, HRNET_KEYS)
        found = cells["num_branches"]
        check(found == branches, f"{place}['num_branches']", f"{branches}", found)
        at = f"{place}[{{!r}}]".format
        stages.append(_parse_stage(cells, at, block_types, "block"))
    every = given["stage4"].get("multiscale_output")
    check_choice(f"{name}['stage4']['multiscale_output']", every, (None, False, True))
    upsample = given.get("upsample")
    if upsample is not None:
        place = f"{name}['upsample']"
        cfg = check_keys(place, upsample, ("mode", "align_corners"))
        aligned, mode = cfg.get("align_corners"), cfg.get("mode", "nearest")
        check(not aligned, f"{place}['align_corners']", "False or None", aligned)
        upsample = check_choice(f"{place}['mode']", mode, UPSAMPLING)
    return Arch(tuple(stages), multiscale_output=every, upsample=upsample)


def _parse_stage(
    cells: Mapping[str, Any],
    at: Callable[[str], str],
    block_types: Mapping[str, BlockType],
    block_key: str,
) -> StageSpec:
    """Check one row; ``at(key)`` names a cell in messages."""
    channels = check_list(at("num_channels"), cells["num_channels"], 1)
    branches = cells.get("num_branches", len(channels))
    right = f"{len(channels)}, the number of widths in num_channels"
    check(branches == len(channels), at("num_branches"), right, branches)
    block = cells.get(block_key, next(iter(block_types)))
    block = block.upper() if isinstance(block, str) else block
    kind = block_types[check_choice(at(block_key), block, block_types)]
    least, multiple = kind.min_width, kind.width_multiple
    right = f"multiples of {multiple} from {least} on, for {block!r} blocks"
    good = all(is_int(w) and w >= least and w % multiple == 0 for w in channels)
    check(good, at("num_channels"), right, channels)
    blocks = cells["num_blocks"]
    blocks = (blocks,) * len(channels) if is_int(blocks) else blocks
    good = isinstance(blocks, (list, tuple)) and len(blocks) == len(channels)
    good = good and all(is_int(count) and count > 0 for count in blocks)
    right = f"{len(channels)} positive ints, one for each branch"
    check(good, at("num_blocks"), right, blocks)
    ratio = cells.get("reduce_ratios", 8)
    if kind.reduces:
        half = sum(channels) // 2
        good = _is_positive(ratio) and ratio <= half
        right = f"a positive number of at most {half}, half of the stage's channels"
        check(good, at("reduce_ratios"), right, ratio)
    return StageSpec(
        num_modules=check_count(at("num_modules"), cells["num_modules"]),
        num_blocks=tuple(blocks),
        block=block,
        channels=channels,
        with_fuse=check_flag(at("with_fuse"), cells.get("with_fuse", True)),
        reduce_ratio=ratio,
    )


def _check_stem(stem: Mapping[str, Any], name: str, multiple: int) -> None:
    width, out = stem["stem_channels"], stem["out_channels"]
    for key in ("stem_channels", "out_channels"):
        good = is_int(stem[key]) and stem[key] > 0 and stem[key] % multiple == 0
        right = f"a positive multiple of {multiple}"
        check(good, f"{name}[{key!r}]", right, stem[key])
    if "expand_ratio" not in stem:
        check(out == width, f"{name}['out_channels']", f"stem_channels={width}", out)
        return
    check(out >= width, f"{name}['out_channels']", f"at least {width}", out)
    ratio = stem["expand_ratio"]
    good = _is_positive(ratio) and round(width * ratio) >= 1
    right = f"a positive number that leaves a channel of {width}"
    check(good, f"{name}['expand_ratio']", right, ratio)
    strides = stem["strides"]
    good = isinstance(strides, (list, tuple)) and len(strides) == 2
    good = good and all(is_int(stride) and stride in (1, 2) for stride in strides)
    check(good, f"{name}['strides']", "two of 1 and 2", strides)
    check_flag(f"{name}['extra_stride']", stem["extra_stride"])


def _is_positive(value: Any) -> bool:
    return (is_int(value) or isinstance(value, float)) and 0 < value < math.inf
