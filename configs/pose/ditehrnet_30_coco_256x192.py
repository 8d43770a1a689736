"""Dite-HRNet-30, COCO, 256x192. Dite-HRNet paper's AP (val2017): 68.3."""

_base_ = "ditehrnet_18_coco_256x192.py"

model = dict(backbone=dict(arch="30"))
