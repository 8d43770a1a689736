"""Dite-HRNet-18 with groups 4,4,4,4 and kernels 4,4,4,4, COCO, 256x192."""

_base_ = "../ditehrnet_18_coco_256x192.py"

model = dict(backbone=dict(num_groups=(4, 4, 4, 4), num_kernels=(4, 4, 4, 4)))
