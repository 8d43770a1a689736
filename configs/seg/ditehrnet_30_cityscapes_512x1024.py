"""Dite-HRNet-30, Cityscapes."""

_base_ = "ditehrnet_18_cityscapes_512x1024.py"

model = dict(backbone=dict(arch="30"))
