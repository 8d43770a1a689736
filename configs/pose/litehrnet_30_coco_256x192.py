"""Lite-HRNet-30, COCO, 256x192. Lite-HRNet paper's AP (val2017): 67.2."""

_base_ = "litehrnet_18_coco_256x192.py"

model = dict(backbone=dict(arch="30"))
