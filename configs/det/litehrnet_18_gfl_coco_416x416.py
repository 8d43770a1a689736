"""Lite-HRNet-18 in a GFL detector, COCO, 416x416."""

_base_ = "_base_/coco_416x416.py"

model = dict(
    backbone=dict(type="LiteHRNet", arch="18", with_head=False),
    neck=dict(in_channels=[80, 160, 320]),
)
