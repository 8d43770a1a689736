"""Dite-HRNet-18 with groups 1,1,2,4 and kernels 1,1,1,1, COCO, 256x192."""

_base_ = "../ditehrnet_18_coco_256x192.py"

model = dict(backbone=dict(num_kernels=(1, 1, 1, 1)))
