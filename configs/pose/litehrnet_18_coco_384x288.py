"""Lite-HRNet-18, COCO, 384x288. Lite-HRNet paper's AP (val2017): 67.6."""

_base_ = "_base_/coco_384x288.py"

model = dict(backbone=dict(type="LiteHRNet", arch="18"))
