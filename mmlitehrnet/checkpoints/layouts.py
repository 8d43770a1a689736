"""How code bases name their weights: a layout is a row of a table.

A row says by which names the layout is known, and what becomes of each of its names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from torch import Tensor

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


def _keep(*parts: str) -> Rule:
    """Keep the names of some parts of a model."""
    return Rule(rf"(({'|'.join(parts)})\..+)", r"\1")


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
        (_keep("backbone"), _OLD_HEAD),
        note="Weights trained with the authors' code need the backbone option "
        "context_pooling='official'; with 'window' the outputs are others.",
    ),
    Layout(
        "MMPose 0.x, Lite-HRNet's authors",
        "pose",
        (r"^backbone\.", r"^keypoint_head\.final_layer\."),
        (_keep("backbone"), _OLD_HEAD),
    ),
    Layout(
        "MMPose 1.x",
        "pose",
        (r"^backbone\.", r"^head\.final_layer\."),
        (_keep("backbone", "neck", "head"), _NORMALISATION),
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
        (_keep("backbone", "neck", "decode_head", "auxiliary_head"), _NORMALISATION),
    ),
    Layout(
        "MMDetection 3.x",
        "det",
        (r"^backbone\.", r"^bbox_head\."),
        (_keep("backbone", "neck", "bbox_head"), _NORMALISATION),
    ),
    Layout(
        "MMPretrain 1.x",
        "cls",
        (r"^backbone\.", r"^head\.fc\."),
        (_keep("backbone", "neck", "head"), _NORMALISATION),
    ),
)  # fmt: skip


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
        f"{', '.join(list(parts)[:12])}. Known are: {known}"
    )


def find_rule(layout: Layout, name: str) -> Rule | None:
    """Find what becomes of a name; None if the layout does not have it."""
    return next((r for r in layout.rules if re.fullmatch(r.pattern, name)), None)
