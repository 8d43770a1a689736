"""Wider Naive Lite-HRNet-18, MPII, 256x256. Lite-HRNet paper's PCKh@0.5 (val): 86.8."""

_base_ = "naive_litehrnet_18_mpii_256x256.py"

model = dict(backbone=dict(arch="wider_18"), head=dict(in_channels=40))
