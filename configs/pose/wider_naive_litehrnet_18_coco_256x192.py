"""Wider Naive Lite-HRNet-18, COCO, 256x192. Lite-HRNet paper's AP (val2017): 65.7."""

_base_ = "naive_litehrnet_18_coco_256x192.py"

model = dict(backbone=dict(arch="wider_18"), head=dict(in_channels=40))
