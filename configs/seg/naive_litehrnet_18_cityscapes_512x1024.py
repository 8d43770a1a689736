"""Naive Lite-HRNet-18 (widths 30, 60, 120, 240), Cityscapes."""

_base_ = "litehrnet_18_cityscapes_512x1024.py"

model = dict(
    backbone=dict(type="NaiveLiteHRNet"),
    decode_head=dict(in_channels=[30, 60, 120]),
)
