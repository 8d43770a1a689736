"""Small HRNet-W16, COCO, 256x192. Lite-HRNet paper's AP (val2017): 55.2."""

_base_ = "_base_/coco_256x192.py"

model = dict(backbone=dict(type="SmallHRNet", arch="w16"), head=dict(in_channels=16))
