"""Lite-HRNet-18, Cityscapes, starting from Intel's ImageNet weights."""

_base_ = "../litehrnet_18_cityscapes_512x1024.py"

pretrained = dict(type="Pretrained", checkpoint="zoo:intel_litehrnet_18_in1k")
model = dict(backbone=dict(init_cfg=pretrained))
