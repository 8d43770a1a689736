"""Lite-HRNet-30, COCO, 384x288. Lite-HRNet paper's AP (val2017): 70.4."""

_base_ = "litehrnet_18_coco_384x288.py"

model = dict(backbone=dict(arch="30"))
