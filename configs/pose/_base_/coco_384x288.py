"""COCO at 384x288 (height x width)."""

_base_ = "coco.py"

codec = dict(
    type="MSRAHeatmapBlur", input_size=(288, 384), heatmap_size=(72, 96), sigma=3
)
model = dict(head=dict(decoder=codec))

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
