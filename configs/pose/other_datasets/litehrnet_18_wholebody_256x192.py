"""Lite-HRNet-18, COCO-WholeBody, 256x192."""

_base_ = "../_base_/wholebody_256x192.py"

model = dict(backbone=dict(type="LiteHRNet", arch="18"))
