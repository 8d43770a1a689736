"""Lite-HRNet-18, ImageNet-1k, 224x224."""

_base_ = "_base_/in1k.py"

model = dict(
    backbone=dict(type="LiteHRNet", arch="18", with_head=False),
    neck=dict(in_channels=600),
    head=dict(in_channels=600),
)
