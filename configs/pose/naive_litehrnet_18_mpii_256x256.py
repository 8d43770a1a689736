"""Naive Lite-HRNet-18, MPII, 256x256. Lite-HRNet paper's PCKh@0.5 (val): 85.3."""

_base_ = "_base_/mpii_256x256.py"

model = dict(backbone=dict(type="NaiveLiteHRNet", arch="18"), head=dict(in_channels=30))
