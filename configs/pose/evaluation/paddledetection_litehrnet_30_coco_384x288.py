"""PaddleDetection's Lite-HRNet-30 on COCO, 384x288. It reports an AP of 72.5."""

_base_ = "paddledetection_litehrnet_18_coco_384x288.py"

model = dict(backbone=dict(arch="30"))
