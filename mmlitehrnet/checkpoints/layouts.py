"""How code bases name their weights: a layout is a row of a table.

A row says by which names the layout is known, and what becomes of each of its names.
"""

from __future__ import annotations

from collections.abc import Callable
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
            not all.
        note: What to know when the weights are used.
        evaluation: Regular expression of the configs that evaluate as the publisher
            does, where others fit, too.
    """

    name: str
    folder: str
    marks: tuple[str, ...]
    rules: tuple[Rule, ...]
    finish: Callable[[Weights, Weights], None] | None = None
    note: str = ""
    evaluation: str = ""


def _fold_bias(old: Weights, new: Weights) -> None:
    """Move the bias of the first layer of HRNet's head into its normalisation.

    MMSegmentation's layer has no bias before batch normalisation. Taking it off the
    running mean gives the same output; in training it cancels out.
    """
    mean = "decode_head.convs.0.bn.running_mean"
    new[mean] = new[mean] - old["last_layer.0.bias"]


def _keep(*parts: str) -> Rule:
    """Keep the names of some parts of a model."""
    return Rule(rf"(({'|'.join(parts)})\..+)", r"\1")


def _todays(library: str, folder: str, head: str) -> Layout:
    """The layout of one of today's libraries, which is that of the configs here.

    Args:
        library: Its name.
        folder: Folder of the configs.
        head: What names of its heads begin with, and of no other library's.
    """
    parts = ("backbone", "neck", "head", "decode_head", "auxiliary_head", "bbox_head")
    marks = (r"^backbone\.", rf"^{head}\.")
    return Layout(library, folder, marks, (_keep(*parts), _NORMALISATION))


_OLD_HEAD = Rule(r"keypoint_head\.(final_layer\..+)", r"head.\1")
_LOSS = Rule(r"loss\..+", None, "a constant of the training loss")
_NORMALISATION = Rule(
    r"data_preprocessor\.(mean|std)", None, "the config gives the normalisation"
)

_HRNET = Rule(
    r"((conv|bn)[12]|layer1|transition[123]|stage[234])\.(.+)", r"backbone.\1.\3"
)

#: What to do with weights of a backbone alone.
BACKBONE_ONLY = (
    "These are the backbone's weights: model.backbone.init_cfg=dict(type='Pretrained', "
    "checkpoint=FILE, prefix='backbone.') starts from them"
)

#: Parts of Lite-HRNet, by themselves or under ``backbone.``.
_LITE = r"(?:backbone\.)?((?:stem|transition\d|stage\d|head_layer)\..+)"

#: Paddle's names of a normalisation -> PyTorch's, in layers that pair it with a
#: convolution and alone.
_PADDLE = (
    Rule(rf"{_LITE}\.norm\._mean", r"backbone.\1.bn.running_mean"),
    Rule(rf"{_LITE}\.norm\._variance", r"backbone.\1.bn.running_var"),
    Rule(rf"{_LITE}\.norm\.(weight|bias)", r"backbone.\1.bn.\2"),
    Rule(rf"{_LITE}\._mean", r"backbone.\1.running_mean"),
    Rule(rf"{_LITE}\._variance", r"backbone.\1.running_var"),
    Rule(_LITE, r"backbone.\1"),
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
    _todays("MMPose 1.x", "pose", r"head\.final_layer"),
    Layout(
        "HRNet-Semantic-Segmentation",
        "seg",
        (r"^conv2\.weight$", r"^stage4\.\d+\.branches\.", r"^last_layer\.3\.weight$"),
        (
            _HRNET,
            Rule(r"last_layer\.0\.weight", "decode_head.convs.0.conv.weight"),
            Rule(r"last_layer\.0\.bias", None, "taken off the running mean"),
            Rule(r"last_layer\.1\.(.+)", r"decode_head.convs.0.bn.\1"),
            Rule(r"last_layer\.3\.(.+)", r"decode_head.conv_seg.\1"),
            _LOSS,
        ),
        finish=_fold_bias,
    ),
    Layout(
        "PaddleDetection: Lite-HRNet, PP-TinyPose",
        "pose",
        (r"^backbone\..*\.norm\._variance$", r"^final_conv\."),
        (*_PADDLE, Rule(r"final_conv\.(.+)", r"head.final_layer.\1")),
        note="PaddleDetection tests with the boxes of the ground truth: its AP is not "
        "to be compared with that of detector boxes.",
        evaluation=r"/paddledetection_|/tinypose_",
    ),
    Layout(
        "PaddleSeg's Lite-HRNet",
        "seg",
        (r"^(backbone\.)?stem\.conv1\.norm\._variance$",),
        (
            *_PADDLE,
            Rule(r"(?!backbone\.).+", None, "the head's: the backbone alone is used"),
        ),
        note=BACKBONE_ONLY,
    ),
    Layout(
        "Intel's Lite-HRNet (OpenVINO Training Extensions)",
        "seg",
        (r"^stem\.conv1\.bn\.running_var$", r"^stage0\."),
        (Rule(_LITE, r"backbone.\1"),),
        note=BACKBONE_ONLY,
    ),
    Layout(
        "timm's hrnet_w18_small, hrnet_w18_small_v2",
        "cls",
        (r"^conv2\.weight$", r"^stage4\.\d+\.branches\.", r"^incre_modules\."),
        (
            _HRNET,
            Rule(r"(incre_modules|downsamp_modules|final_layer|classifier)\.(.+)", None,
                 "the classifier's: the backbone alone is used"),
        ),
        note=BACKBONE_ONLY,
    ),
    Layout(
        "timm's hrnet_w18_small, hrnet_w18_small_v2, features alone",
        "cls",
        (r"^conv2\.weight$", r"^stage4\.\d+\.branches\.", r"^transition3\."),
        (_HRNET,),
        note=BACKBONE_ONLY,
    ),
    _todays("MMSegmentation 1.x", "seg", "decode_head"),
    _todays("MMDetection 3.x", "det", "bbox_head"),
    _todays("MMPretrain 1.x", "cls", r"head\.fc"),
)  # fmt: skip
