"""Lite-HRNet-18, COCO, 256x192, with UDP (arXiv:1911.07524).

Images and heatmaps are measured from pixel centre to pixel centre, so a flipped heatmap
needs no shift. Keypoints are found between cells by the heatmap's derivatives.
"""

_base_ = "../_base_/coco.py"

codec = dict(type="UDPHeatmap", input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
model = dict(
    backbone=dict(type="LiteHRNet", arch="18"),
    head=dict(decoder=codec),
    test_cfg=dict(shift_heatmap=False),
)

affine = dict(type="TopdownAffine", input_size=codec["input_size"], use_udp=True)
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
