"""Small HRNet-W16, ImageNet-1k, 224x224."""

_base_ = "_base_/in1k.py"

model = dict(
    backbone=dict(type="SmallHRNet", arch="w16"),
    neck=dict(in_channels=240),
    head=dict(in_channels=240),
)
