"""Dite-HRNet-18, MPII, 256x256. Dite-HRNet paper's PCKh@0.5 (val): 87.0."""

_base_ = "_base_/mpii_256x256.py"

model = dict(backbone=dict(type="DiteHRNet", arch="18"))

# The paper states 210 epochs, the released config trains 260 (steps at 170 and 200).
train_cfg = dict(max_epochs=260)
