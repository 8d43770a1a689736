"""Naive Lite-HRNet-18, COCO, 256x192. Lite-HRNet paper's AP (val2017): 62.5."""

_base_ = "_base_/coco_256x192.py"

model = dict(backbone=dict(type="NaiveLiteHRNet", arch="18"), head=dict(in_channels=30))
