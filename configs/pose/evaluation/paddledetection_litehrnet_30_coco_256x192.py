"""PaddleDetection's Lite-HRNet-30 on COCO, 256x192. It reports an AP of 69.4."""

_base_ = "paddledetection_litehrnet_18_coco_256x192.py"

model = dict(backbone=dict(arch="30"))
