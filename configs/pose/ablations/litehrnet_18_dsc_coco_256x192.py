"""Lite-HRNet-18 with dynamic split convolution (DSC), COCO, 256x192."""

_base_ = "../litehrnet_18_coco_256x192.py"

model = dict(backbone=dict(arch="18_dsc"))
