"""Lite-HRNet-18, COCO, 256x192. Lite-HRNet paper's AP (val2017): 64.8."""

_base_ = "_base_/coco_256x192.py"

model = dict(backbone=dict(type="LiteHRNet", arch="18"))
