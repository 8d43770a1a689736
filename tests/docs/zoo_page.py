"""docs/zoo.md, made of the zoo's table: `python -m tests.docs.zoo_page` writes it."""

from pathlib import Path
from urllib.parse import urlparse

from mmlitehrnet.checkpoints import zoo
from tests.running import ROOT

PAGE = ROOT / "docs/zoo.md"

#: Title of a table of docs/zoo.md -> publisher and boxes of its rows, and their figure.
TABLES = {
    "PaddleDetection: AP with the boxes of the ground truth": (
        "PaddleDetection", "ground truth", "AP"
    ),
    "OpenMMLab, COCO: AP with the boxes of a detector": ("OpenMMLab", "detector", "AP"),
    "OpenMMLab, MPII: mean PCKh@0.5": ("OpenMMLab", "ground truth", "Mean"),
    "timm, ImageNet-1k: for the start of a training": ("timm", None, None),
    "Intel, ImageNet-1k: for the start of a training": ("Intel", None, None),
}  # fmt: skip

INTRODUCTION = """\
# The zoo: public weights of these networks

None of them was trained here. Figures, files and licences are their publishers'; AP is
of COCO val2017. Figures of boxes of the ground truth are not comparable with those of a
detector's boxes, which the papers print, too.

`mmlitehrnet.checkpoints.zoo.fetch("openmmlab_litehrnet_18_coco_256x192")` downloads a
file once into PyTorch's cache, `$TORCH_HOME/hub/checkpoints`, and returns the paths of
its config and of the file. A file that ends early, or is not what the hash in its
name says (OpenMMLab's have one, the others publish none), is never kept. All tools read
the files as they are, see [checkpoints](checkpoints.md). Where MMEngine takes a
checkpoint (`load_from`, `init_cfg`, `mim test --checkpoint`), `zoo:NAME` stands for the
file.

Without a network, give the path of the file, or put it into the cache under NAME or
under its published name, where no other file of the zoo has the same (timm's are all
`model.safetensors`, PaddleDetection's two TinyPoses have the same names).

PaddleDetection's `tinypose_enhance` is of August 2022, its other TinyPose of 2021.

## What can be trained on

The files below are their publishers' trainings' own: a training can start from any of
them, those of OpenMMLab and PaddleDetection by `load_from`, ImageNet's as a backbone.
Weights that were taken from a deployed model, of OpenVINO, ncnn or `switch_to_deploy`,
can be tested but not trained on: their convolutions have taken over the batch
normalisation. A training that starts from such weights under the names of the trained
network warns of it.

Intel's are a backbone's under the names of the network here: of Lite-HRNet-18, and
of Intel's own sizes `LiteHRNet(arch="s")` and `LiteHRNet(arch="x")`. These start from
them: `pose/ablations/litehrnet_18_imagenet_coco_256x192` and
`seg/ablations/litehrnet_{18,s,x}_imagenet_cityscapes_512x1024`. Elsewhere:
`init_cfg=dict(type="Pretrained", checkpoint="zoo:intel_litehrnet_18_in1k")`.

## Measured here

COCO's AP by `mim test` with PP-TinyPose's weights, on a part of val2017: 162 images
with 164 people with keypoints, boxes of the ground truth, flip test. The standard
error is 3 points (bootstrap over the images). The files were taken from deployed
models of the same releases, in half precision. PaddleDetection's own code gives the
first two figures, too.

| weights | published, all of val2017 | measured, the part |
| --- | ---: | ---: |
| PP-TinyPose, 2022, 256x192 | 68.3 | 68.9 |
| PP-TinyPose, 2022, 128x96 | 58.4 | 58.3 |
| PP-TinyPose, 2021, 256x192 | 68.8 | 67.9 |

By form, runtime and precision, of the first two:

| form | runtime | precision | 256x192 | 128x96 |
| --- | --- | --- | ---: | ---: |
| trained | PyTorch | float32 | 68.9 | 58.3 |
| deployed | PyTorch | float32 | 68.9 | 58.3 |
| exported | ONNX Runtime, OpenVINO | float32 | 68.9 | 58.3 |
| exported | OpenVINO | bfloat16 | 68.9 | 58.9 |
| exported | OpenVINO | int8, calibrated on train2017 | 68.8 | |
| exported | ncnn | float32 | 68.9 | |
| exported | ncnn | bfloat16 | 68.4 | |

OpenMMLab's come by mim, too, under the names of the configs here:
`mim download mmlitehrnet --config litehrnet_18_coco_256x192 --dest DIR`.
`MMPoseInferencer(pose2d=NAME)` looks names up in MMPose's own metafiles only: give it
the two paths as `pose2d` and `pose2d_weights`.
"""


def page() -> str:
    """Make the text of the page."""
    parts = [INTRODUCTION]
    for title, (publisher, boxes, metric) in TABLES.items():
        figure = f" {metric} |" if metric else ""
        lines = [
            f"## {title}\n",
            f"| name | network | trained on |{figure} file | licence |",
            f"| --- | --- | --- |{' --- |' if metric else ''} --- | --- |",
        ]
        for name, entry in zoo.models().items():
            meta, url = entry["Metadata"], entry["Weights"]
            if (meta["Publisher"], meta.get("Boxes")) != (publisher, boxes):
                continue
            value = ""
            if metric:
                value = f" {100 * entry['Results'][0]['Metrics'][metric]:.1f} |"
            lines.append(
                f"| `{name}` | {entry['In Collection']} | {meta['Training Data']} |"
                f"{value} [{Path(urlparse(url).path).suffix}]({url}) | "
                f"{meta['License']} |"
            )
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
