"""Lite-HRNet-18, COCO, 256x192, starting from Intel's ImageNet weights."""

_base_ = "../litehrnet_18_coco_256x192.py"

pretrained = dict(type="Pretrained", checkpoint="zoo:intel_litehrnet_18_in1k")
model = dict(backbone=dict(init_cfg=pretrained))
