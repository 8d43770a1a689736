"""Lite-HRNet-18, hands of COCO-WholeBody, 256x256.

MMPose reports AUC 0.830, EPE 4.77, PCK@0.2 0.795 for its Lite-HRNet-18 with this
recipe. Its checkpoint loads here.
"""

_base_ = "../_base_/wholebody_hand_256x256.py"

model = dict(backbone=dict(type="LiteHRNet", arch="18"))
