"""Lite-HRNet-18 with spatial weights only, COCO, 256x192."""

_base_ = "../litehrnet_18_coco_256x192.py"

model = dict(backbone=dict(arch="18_spatial"))
