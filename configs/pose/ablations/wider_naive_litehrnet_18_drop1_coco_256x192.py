"""Wider Naive Lite-HRNet-18 with one 1x1 convolution dropped, COCO, 256x192."""

_base_ = "../wider_naive_litehrnet_18_coco_256x192.py"

model = dict(backbone=dict(arch="wider_18_drop1"))
