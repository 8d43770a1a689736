"""Dite-HRNet-18, Cityscapes."""

_base_ = "litehrnet_18_cityscapes_512x1024.py"

model = dict(backbone=dict(type="DiteHRNet"))
