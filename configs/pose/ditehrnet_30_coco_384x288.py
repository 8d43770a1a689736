"""Dite-HRNet-30, COCO, 384x288. Dite-HRNet paper's AP (val2017): 71.5."""

_base_ = "ditehrnet_18_coco_384x288.py"

model = dict(backbone=dict(arch="30"))
