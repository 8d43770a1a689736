"""Lite-HRNet-18, AP-10K, 256x256."""

_base_ = "../_base_/ap10k_256x256.py"

model = dict(backbone=dict(type="LiteHRNet", arch="18"))
