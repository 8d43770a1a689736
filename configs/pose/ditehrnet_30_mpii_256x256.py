"""Dite-HRNet-30, MPII, 256x256. Dite-HRNet paper's PCKh@0.5 (val): 87.6."""

_base_ = "ditehrnet_18_mpii_256x256.py"

model = dict(backbone=dict(arch="30"))
