"""Small HRNet-W16, COCO, 384x288. Lite-HRNet paper's AP (val2017): 56.0."""

_base_ = "_base_/coco_384x288.py"

model = dict(backbone=dict(type="SmallHRNet", arch="w16"), head=dict(in_channels=16))
