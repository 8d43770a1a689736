"""Real weights on real photographs, from the folder beside the checkout."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmpose.apis import init_model

from tests.running import ROOT

SHARED = ROOT.parent / "shared"
PEOPLE = SHARED / "data/coco_val2017_subset"
WEIGHTS = SHARED / "weights/tinypose_enhance_128x96.pdparams"
CONFIG = "configs/pose/recipes/tinypose_128x96_aic-coco.py"
#: Width and height of that config's crops and heatmaps.
SIZES = dict(input_size=(96, 128), heatmap_size=(24, 32))
PIPELINE = "test_dataloader.dataset.pipeline"

needs_photographs = pytest.mark.skipif(
    not (PEOPLE.is_dir() and WEIGHTS.is_file()),
    reason="no real weights and photographs in ../shared",
)


def photographs(count):
    """Images with the boxes (M, 4) of so many annotated people or a few more."""
    found = json.loads(
        (PEOPLE / "annotations/person_keypoints_val2017.json").read_text()
    )
    for info in found["images"]:
        people = (p for p in found["annotations"] if p["image_id"] == info["id"])
        boxes = np.float32([p["bbox"] for p in people if p["num_keypoints"]])
        if len(boxes) and count > 0:
            boxes[:, 2:] += boxes[:, :2]
            yield cv2.imread(str(PEOPLE / "val2017" / info["file_name"])), boxes
            count -= len(boxes)


def tinypose(decoder=None, use_udp=True):
    """PP-TinyPose with its weights, decoded by its own codec (DARK) or another.

    Args:
        decoder: Arguments of the other codec.
        use_udp: Whether crops reach from the first pixel's centre to the last one's.
    """
    changes = {}
    if not use_udp:
        affine = dict(type="TopdownAffine", input_size=SIZES["input_size"])
        steps = ("LoadImage", "GetBBoxCenterScale", "PackPoseInputs")
        load, box, pack = (dict(type=step) for step in steps)
        changes[PIPELINE] = [load, box, affine, pack]
    if decoder is not None:
        changes["model.head.decoder"] = dict(_delete_=True, **decoder)
    if decoder is None or decoder["type"] != "SimCCLabel":
        return init_model(CONFIG, str(WEIGHTS), "cpu", changes)
    return simcc_of(init_model(CONFIG, str(WEIGHTS), "cpu"), decoder, changes)


def simcc_of(model, decoder, changes):
    """The model with a head whose vectors are its heatmaps' sums, interpolated.

    There are no public weights of these networks with SimCC; this has real peaks.
    """
    changes["model.head"] = dict(
        _delete_=True,
        type="SimCCHead",
        in_channels=model.head.in_channels,
        out_channels=17,
        input_size=SIZES["input_size"],
        in_featuremap_size=SIZES["heatmap_size"],
        simcc_split_ratio=decoder["simcc_split_ratio"],
        deconv_out_channels=None,
        decoder=decoder,
    )
    changes.pop("model.head.decoder")
    other = init_model(CONFIG, None, "cpu", changes)
    other.backbone.load_state_dict(model.backbone.state_dict())
    other.head.final_layer.load_state_dict(model.head.final_layer.state_dict())
    width, height = SIZES["heatmap_size"]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    for layer, cells in ((other.head.mlp_head_x, x), (other.head.mlp_head_y, y)):
        bins = torch.arange(layer.out_features) / decoder["simcc_split_ratio"] / 4
        weight = torch.exp(-2 * (bins[:, None] - cells.flatten()) ** 2)
        layer.load_state_dict(dict(weight=weight, bias=torch.zeros(len(bins))))
    return other.eval()
