"""Dite-HRNet-18, COCO, 256x192. Dite-HRNet paper's AP (val2017): 65.9."""

_base_ = "_base_/coco_256x192.py"

model = dict(backbone=dict(type="DiteHRNet", arch="18"))

# The paper states 210 epochs, the released config trains 270 (steps at 170 and 200).
train_cfg = dict(max_epochs=270)
