"""Turn checkpoints of other code into what the configs here load.

A layout is a row of a table: by which names it is known, and what becomes of each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from rich.progress import track
from torch import Tensor

from ..apis.model import network_from_config
from .reading import compare_weights

Weights = dict[str, Tensor]


class Rule(NamedTuple):
    """What becomes of some names.

    Attributes:
        pattern: Regular expression of the whole name.
        target: The new name, with the pattern's groups; None drops the tensor.
        why: Why it is dropped.
    """

    pattern: str
    target: str | None
    why: str = ""


class Layout(NamedTuple):
    """How some code names its weights.

    Attributes:
        name: Whose layout it is.
        folder: Folder of the configs that it is for.
        marks: Regular expressions; each is found in some name of such a checkpoint.
        rules: What becomes of its names; the first that fits counts. Names that none
            fits are refused.
        finish: Changes the converted weights by the original ones, where renaming is
            not all; gives a line that says what it did.
        note: What to know when the weights are used.
    """

    name: str
    folder: str
    marks: tuple[str, ...]
    rules: tuple[Rule, ...]
    finish: Callable[[Weights, Weights], str] | None = None
    note: str = ""


def _fold_bias(old: Weights, new: Weights) -> str:
    """Move the bias of the first layer of HRNet's head into its normalisation.

    MMSegmentation's layer has no bias before batch normalisation. Taking it off the
    running mean gives the same output; in training it cancels out.
    """
    bias, mean = "last_layer.0.bias", "decode_head.convs.0.bn.running_mean"
    new[mean] = new[mean] - old[bias]
    return f"{bias} taken off {mean}"


_BACKBONE = Rule(r"backbone\.(.+)", r"backbone.\1")
_HEAD = Rule(r"head\.(final_layer\..+)", r"head.\1")
_OLD_HEAD = Rule(r"keypoint_head\.(final_layer\..+)", r"head.\1")
_LOSS = Rule(r"loss\..+", None, "a constant of the training loss")
_NORMALISATION = Rule(
    r"data_preprocessor\.(mean|std)", None, "the config gives the normalisation"
)

#: Known layouts; the first whose marks are all found counts.
LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "Dite-HRNet's authors (MMPose 0.x)",
        "pose",
        (r"^backbone\.stage\d.*\.dcm\.", r"^keypoint_head\.final_layer\."),
        (_BACKBONE, _OLD_HEAD),
        note="Weights trained with the authors' code need the backbone option "
        "context_pooling='official'; with 'window' the outputs are others.",
    ),
    Layout(
        "MMPose 0.x, Lite-HRNet's authors",
        "pose",
        (r"^backbone\.", r"^keypoint_head\.final_layer\."),
        (_BACKBONE, _OLD_HEAD),
    ),
    Layout(
        "MMPose 1.x",
        "pose",
        (r"^backbone\.", r"^head\.final_layer\."),
        (_BACKBONE, _HEAD, _NORMALISATION),
    ),
    Layout(
        "HRNet-Semantic-Segmentation",
        "seg",
        (r"^conv2\.weight$", r"^stage4\.\d+\.branches\.", r"^last_layer\.3\.weight$"),
        (
            Rule(r"((conv|bn)[12]|layer1|transition[123]|stage[234])\.(.+)",
                 r"backbone.\1.\3"),
            Rule(r"last_layer\.0\.weight", "decode_head.convs.0.conv.weight"),
            Rule(r"last_layer\.0\.bias", None, "folded, see below"),
            Rule(r"last_layer\.1\.(.+)", r"decode_head.convs.0.bn.\1"),
            Rule(r"last_layer\.3\.(.+)", r"decode_head.conv_seg.\1"),
            _LOSS,
        ),
        finish=_fold_bias,
    ),
    Layout(
        "MMSegmentation 1.x",
        "seg",
        (r"^backbone\.", r"^decode_head\."),
        (_BACKBONE, Rule(r"decode_head\.(.+)", r"decode_head.\1"), _NORMALISATION),
    ),
)  # fmt: skip

#: What wrappers for training put before all names.
WRAPPERS = ("module.", "model.")


class Conversion(NamedTuple):
    """A converted checkpoint.

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


def unwrap(name: str) -> str:
    """Take the prefixes of training wrappers off a name."""
    while name.startswith(WRAPPERS):
        name = name.split(".", 1)[1]
    return name


def find_layout(names: Mapping[str, Tensor]) -> Layout:
    """Find out whose layout a checkpoint has.

    Args:
        names: Weights under names without wrappers.

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
        f"{', '.join(list(parts)[:12])}. Known are: {known}"
    )


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
    old = {unwrap(name): value for name, value in state_dict.items()}
    layout = find_layout(old)
    weights, mapped, dropped, unknown = {}, {}, {}, []
    for name in state_dict:
        bare = unwrap(name)
        for rule in layout.rules:
            match = re.fullmatch(rule.pattern, bare)
            if match and rule.target is None:
                dropped[name] = rule.why
            elif match:
                mapped[name] = match.expand(rule.target)
                weights[mapped[name]] = old[bare]
            if match:
                break
        else:
            unknown.append(name)
    if unknown:
        raise ValueError(
            f"the checkpoint looks like {layout.name}, but {len(unknown)} of its names "
            f"are not of that layout: {_some(unknown)}"
        )
    finished = layout.finish(old, weights) if layout.finish else ""
    return Conversion(layout, weights, mapped, dropped, finished)


def _some(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def fitting_configs(weights: Weights, root: Path) -> list[Path]:
    """Find the configs whose models load weights strictly.

    Args:
        weights: Converted weights.
        root: Folder of configs. Its subfolders are looked through too, the outer ones
            first, until one has configs that fit.

    Returns:
        The configs: the same network at all its input sizes.
    """
    shapes = {name: value.to("meta") for name, value in weights.items()}
    folders: dict[Path, list[Path]] = {}
    for path in sorted(root.rglob("*.py"), key=lambda path: (len(path.parts), path)):
        if not {"_base_", "demo"} & set(path.relative_to(root).parts):
            folders.setdefault(path.parent, []).append(path)
    for folder, paths in folders.items():
        found = []
        for path in track(paths, description=f"Configs of {folder.name}"):
            config = Config.fromfile(path)
            with torch.device("meta"):  # Shapes only.
                fits = compare_weights(network_from_config(config), shapes).exact
            found += [path] * fits
        if found:
            return found
    return []
