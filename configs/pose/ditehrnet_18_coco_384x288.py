"""Dite-HRNet-18, COCO, 384x288. Dite-HRNet paper's AP (val2017): 69.0."""

_base_ = "_base_/coco_384x288.py"

model = dict(backbone=dict(type="DiteHRNet", arch="18"))

# The paper states 210 epochs, the released config trains 270 (steps at 170 and 200).
train_cfg = dict(max_epochs=270)
