"""Small HRNet-W16, MPII, 256x256. Lite-HRNet paper's PCKh@0.5 (val): 80.2."""

_base_ = "_base_/mpii_256x256.py"

model = dict(backbone=dict(type="SmallHRNet", arch="w16"), head=dict(in_channels=16))
