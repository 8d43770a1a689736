"""Lite-HRNet-30, MPII, 256x256. Lite-HRNet paper's PCKh@0.5 (val): 87.0."""

_base_ = "litehrnet_18_mpii_256x256.py"

model = dict(backbone=dict(arch="30"))
