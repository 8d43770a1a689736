"""Wider Naive Lite-HRNet-18 with two 1x1 convolutions dropped, COCO, 256x192."""

_base_ = "../wider_naive_litehrnet_18_coco_256x192.py"

model = dict(backbone=dict(arch="wider_18_drop2"))
