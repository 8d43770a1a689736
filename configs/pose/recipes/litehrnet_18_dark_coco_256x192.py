"""Lite-HRNet-18, COCO, 256x192, with DARK (arXiv:1910.06278).

Targets are centred on the keypoint, not on its cell, and keypoints are found between
cells by the heatmap's derivatives.
"""

_base_ = "../_base_/coco.py"

codec = dict(
    type="MSRAHeatmap",
    input_size=(192, 256),
    heatmap_size=(48, 64),
    sigma=2,
    unbiased=True,
)
model = dict(backbone=dict(type="LiteHRNet", arch="18"), head=dict(decoder=codec))

affine = dict(type="TopdownAffine", input_size=codec["input_size"])
train_pipeline = [
    *_base_.augmentation,
    affine,
    dict(type="GenerateTarget", encoder=codec),
    dict(type="PackPoseInputs"),
]
val_pipeline = [*_base_.load_pipeline, affine, dict(type="PackPoseInputs")]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
