"""Faces of COCO-WholeBody: 68 keypoints, at 256x256, on annotated boxes.

Schedule and augmentation are those of MMPose's configs for this data.
"""

_base_ = "wholebody_part_256x256.py"

codec = dict(
    type="MSRAHeatmapBlur", input_size=_base_.input_size, heatmap_size=(64, 64), sigma=2
)
model = dict(head=dict(out_channels=68, decoder=codec))
train_cfg = dict(max_epochs=60, val_interval=1)
param_scheduler = [
    dict(type="LinearLR", begin=0, end=500, start_factor=0.001, by_epoch=False),
    dict(type="MultiStepLR", milestones=[40, 55], gamma=0.1, by_epoch=True),
]
default_hooks = dict(checkpoint=dict(save_best="NME", rule="less"))

train_pipeline = [
    *_base_.load_pipeline,
    dict(type="RandomFlip", direction="horizontal"),
    dict(type="RandomBBoxTransform", rotate_factor=60, scale_factor=(0.75, 1.25)),
    _base_.affine,
    dict(type="GenerateTarget", encoder=codec),
    dict(type="PackPoseInputs"),
]

dataset_type = "CocoWholeBodyFaceDataset"
train_dataloader = dict(dataset=dict(type=dataset_type, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type))
test_dataloader = val_dataloader
# The error in units of the distance between the outer corners of the eyes.
val_evaluator = dict(type="NME", norm_mode="keypoint_distance")
test_evaluator = val_evaluator
