"""Lite-HRNet-30, Cityscapes. Lite-HRNet paper's mIoU: 76.0 (val), 75.3 (test)."""

_base_ = "litehrnet_18_cityscapes_512x1024.py"

model = dict(backbone=dict(arch="30"))
