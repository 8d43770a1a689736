"""Lite-HRNet-18, faces of COCO-WholeBody, 256x256."""

_base_ = "../_base_/wholebody_face_256x256.py"

model = dict(backbone=dict(type="LiteHRNet", arch="18"))
