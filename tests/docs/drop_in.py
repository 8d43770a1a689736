"""The table of docs/drop_in.md: heads on these backbones, as they are built and run.

python -m tests.docs.drop_in writes it.
"""

from pathlib import Path

import torch
from mmengine.registry import MODELS, DefaultScope

import mmlitehrnet  # noqa: F401
from tests.running import ROOT

PAGE = ROOT / "docs/drop_in.md"
#: Backbone -> its arguments.
BACKBONES = {
    "LiteHRNet": dict(arch="18"),
    "NaiveLiteHRNet": dict(arch="18"),
    "DiteHRNet": dict(arch="18"),
    "SmallHRNet": dict(arch="w16"),
}
ALL = (0, 1, 2, 3)
SIZE = 64  # of the image
SIMCC = dict(out_channels=17, input_size=(SIZE, SIZE), simcc_split_ratio=2.0)
SEG = dict(num_classes=19, channels=16, norm_cfg=dict(type="BN"))
FPN = dict(type="FPN", out_channels=32, num_outs=5)


def first(widths):
    return widths[0]


def all_of(widths):
    return list(widths)


#: Head -> library, out_indices, with_head, what in_channels are, of what; and the parts
#: that are run on the maps, the first of which has in_channels.
HEADS = {
    "`HeatmapHead`": (
        "mmpose", (0,), True, first,
        [dict(type="HeatmapHead", out_channels=17, deconv_out_channels=None)],
    ),
    "`SimCCHead`": (
        "mmpose", (0,), True, first,
        [dict(type="SimCCHead", in_featuremap_size=(16, 16), **SIMCC,
              deconv_out_channels=None)],
    ),
    "`RTMCCHead` (RTMPose)": (
        "mmpose", (3,), False, first,
        [dict(type="RTMCCHead", in_featuremap_size=(2, 2), **SIMCC,
              final_layer_kernel_size=1,
              gau_cfg=dict(hidden_dims=64, s=32, expansion_factor=2, dropout_rate=0.0,
                           drop_path=0.0, act_fn="SiLU", use_rel_bias=False,
                           pos_enc=False))],
    ),
    "`FCNHead`": (
        "mmseg", (0,), False, first, [dict(type="FCNHead", in_index=0, **SEG)],
    ),
    "`SegformerHead`": (
        "mmseg", ALL, False, all_of,
        [dict(type="SegformerHead", in_index=[0, 1, 2, 3], **SEG)],
    ),
    "`DepthwiseSeparableASPPHead` (DeepLabV3+; `c1_in_channels`: the first width)": (
        "mmseg", (0, 3), False, lambda widths: widths[1],
        [dict(type="DepthwiseSeparableASPPHead", in_index=1, c1_channels=8,
              dilations=(1, 2), **SEG)],
    ),
    "`FCNHead` and `OCRHead`": (
        "mmseg", ALL, False, all_of,
        [dict(type="FCNHead", in_index=(0, 1, 2, 3), input_transform="resize_concat",
              **SEG),
         dict(type="OCRHead", in_index=(0, 1, 2, 3), input_transform="resize_concat",
              ocr_channels=16, **SEG)],
    ),
    "`FPN`, `RetinaHead`": (
        "mmdet", ALL, False, all_of,
        [FPN, dict(type="RetinaHead", num_classes=80, in_channels=32)],
    ),
    "`FPN`, `FCOSHead`": (
        "mmdet", (1, 2, 3), False, all_of,
        [FPN, dict(type="FCOSHead", num_classes=80, in_channels=32)],
    ),
    "`GlobalAveragePooling`, `LinearClsHead`": (
        "mmpretrain", (3,), False, first,
        [dict(type="GlobalAveragePooling"),
         dict(type="LinearClsHead", num_classes=1000)],
    ),
}  # fmt: skip


def run(library, parts, widths, wanted, maps):
    """Build the parts with the widths and run them on the maps."""
    parts = [dict(part) for part in parts]
    for part in parts:
        if part["type"] in ("OCRHead", "LinearClsHead"):
            part["in_channels"] = wanted
    if "Pooling" not in parts[0]["type"]:
        parts[0]["in_channels"] = wanted
    if parts[0]["type"].startswith("DepthwiseSeparableASPP"):
        parts[0]["c1_in_channels"] = widths[0]
    with DefaultScope.overwrite_default_scope(library):
        modules = [MODELS.build(part).eval() for part in parts]
    found = modules[0](maps)
    if parts[-1]["type"] == "OCRHead":
        return modules[1](maps, found)
    return modules[1](found) if len(modules) > 1 else found


@torch.no_grad()
def table():
    """Build and run everything; give the lines of the table."""
    names = " | ".join(f"`{name}`" for name in BACKBONES)
    yield f"| head | `out_indices` | `with_head` | {names} |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for head, (library, indices, with_head, choose, parts) in HEADS.items():
        cells = []
        for name, arguments in BACKBONES.items():
            with DefaultScope.overwrite_default_scope(library):
                backbone = MODELS.build(
                    dict(
                        type=name, out_indices=indices, with_head=with_head, **arguments
                    )
                ).eval()
            widths = backbone.out_channels
            wanted = choose(widths)
            maps = backbone(torch.rand(2, 3, SIZE, SIZE))
            assert run(library, parts, widths, wanted, maps) is not None
            cells.append(f"`{wanted}`")
        yield f"| {head} | `{indices}` | `{with_head}` | {' | '.join(cells)} |"


def replaced(text, lines):
    """The page with the table in its place."""
    before, _, after = text.partition("<!-- table -->\n")
    _, _, after = after.partition("<!-- end -->")
    return "\n".join([f"{before}<!-- table -->", *lines, f"<!-- end -->{after}"])


if __name__ == "__main__":
    Path(PAGE).write_text(replaced(PAGE.read_text(), table()))
