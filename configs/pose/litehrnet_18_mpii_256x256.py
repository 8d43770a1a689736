"""Lite-HRNet-18, MPII, 256x256. Lite-HRNet paper's PCKh@0.5 (val): 86.1."""

_base_ = "_base_/mpii_256x256.py"

model = dict(backbone=dict(type="LiteHRNet", arch="18"))
