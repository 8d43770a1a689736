"""The table of docs/drop_in.md is what is built and run: heads on these backbones.

`python -m tests.docs.test_drop_in` writes it.
"""

from functools import cache
from operator import itemgetter

import torch
from mmengine.registry import MODELS, DefaultScope

import mmlitehrnet
from tests.running import ROOT

PAGE = ROOT / "docs/drop_in.md"
#: Backbone -> its size.
BACKBONES = {
    "LiteHRNet": "18", "NaiveLiteHRNet": "18", "DiteHRNet": "18", "SmallHRNet": "w16",
}  # fmt: skip
ALL = (0, 1, 2, 3)
SIZE = 64  # of the image


first, second = itemgetter(0), itemgetter(1)
SIMCC = dict(out_channels=17, input_size=(SIZE, SIZE), simcc_split_ratio=2.0)
SEG = dict(num_classes=19, channels=16, norm_cfg=dict(type="BN"))
RESIZED = dict(in_channels=list, in_index=ALL, input_transform="resize_concat", **SEG)
FPN = dict(type="FPN", in_channels=list, out_channels=32, num_outs=5)
DETECTOR = dict(num_classes=80, in_channels=32)
GAU = dict(
    hidden_dims=64, s=32, expansion_factor=2, dropout_rate=0.0, drop_path=0.0,
    act_fn="SiLU", use_rel_bias=False, pos_enc=False,
)  # fmt: skip
#: Head -> library, out_indices, with_head, and the parts that are run on the maps, with
#: functions of the maps' widths; the first is the table's.
HEADS = {
    "`HeatmapHead`": (
        "mmpose", (0,), True,
        [dict(type="HeatmapHead", in_channels=first, out_channels=17,
              deconv_out_channels=None)],
    ),
    "`SimCCHead`": (
        "mmpose", (0,), True,
        [dict(type="SimCCHead", in_channels=first, in_featuremap_size=(16, 16),
              deconv_out_channels=None, **SIMCC)],
    ),
    "`RTMCCHead` (RTMPose)": (
        "mmpose", (3,), False,
        [dict(type="RTMCCHead", in_channels=first, in_featuremap_size=(2, 2),
              final_layer_kernel_size=1, gau_cfg=GAU, **SIMCC)],
    ),
    "`FCNHead`": (
        "mmseg", (0,), False,
        [dict(type="FCNHead", in_channels=first, in_index=0, **SEG)],
    ),
    "`SegformerHead`": (
        "mmseg", ALL, False,
        [dict(type="SegformerHead", in_channels=list, in_index=list(ALL), **SEG)],
    ),
    "`DepthwiseSeparableASPPHead` (DeepLabV3+; `c1_in_channels`: the first width)": (
        "mmseg", (0, 3), False,
        [dict(type="DepthwiseSeparableASPPHead", in_channels=second, in_index=1,
              c1_in_channels=first, c1_channels=8, dilations=(1, 2), **SEG)],
    ),
    "`FCNHead` and `OCRHead`": (
        "mmseg", ALL, False,
        [dict(type="FCNHead", **RESIZED),
         dict(type="OCRHead", ocr_channels=16, **RESIZED)],
    ),
    "`FPN`, `RetinaHead`": (
        "mmdet", ALL, False, [FPN, dict(type="RetinaHead", **DETECTOR)],
    ),
    "`FPN`, `FCOSHead`": (
        "mmdet", (1, 2, 3), False, [FPN, dict(type="FCOSHead", **DETECTOR)],
    ),
    "`GlobalAveragePooling`, `LinearClsHead`": (
        "mmpretrain", (3,), False,
        [dict(type="GlobalAveragePooling"),
         dict(type="LinearClsHead", in_channels=first, num_classes=1000)],
    ),
}  # fmt: skip


@cache
def maps_of(name, indices, with_head):
    """Run a backbone; give its maps and their widths."""
    given = dict(out_indices=indices, with_head=with_head)
    backbone = getattr(mmlitehrnet, name)(BACKBONES[name], **given).eval()
    return backbone(torch.rand(2, 3, SIZE, SIZE)), backbone.out_channels


def widths_of(name, library, indices, with_head, parts):
    """Build and run the parts on a backbone's maps; give the table's widths."""
    maps, widths = maps_of(name, indices, with_head)
    parts = [
        {k: v(widths) if callable(v) else v for k, v in part.items()} for part in parts
    ]
    with DefaultScope.overwrite_default_scope(library):
        modules = [MODELS.build(dict(part)).eval() for part in parts]
    found = modules[0](maps)
    if len(modules) > 1:
        ocr = parts[1]["type"] == "OCRHead"
        found = modules[1](maps, found) if ocr else modules[1](found)
    assert found is not None
    return next(part["in_channels"] for part in parts if "in_channels" in part)


@torch.no_grad()
def page():
    """The page with what is built and run in the place of the table."""
    lines = [
        f"| head | `out_indices` | `with_head` | `{'` | `'.join(BACKBONES)}` |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for head, row in HEADS.items():
        cells = [f"`{widths_of(name, *row)}`" for name in BACKBONES]
        lines.append(f"| {head} | `{row[1]}` | `{row[2]}` | {' | '.join(cells)} |")
    before, _, after = PAGE.read_text().partition("<!-- table -->\n")
    _, _, after = after.partition("<!-- end -->")
    return "\n".join([f"{before}<!-- table -->", *lines, f"<!-- end -->{after}"])


def test_the_table_is_what_is_built_and_run():
    assert PAGE.read_text() == page()


if __name__ == "__main__":
    PAGE.write_text(page())
