"""Hands of COCO-WholeBody: 21 keypoints, at 256x256, on annotated boxes.

The recipe is that of MMPose's own Lite-HRNet config for this data: learning rate 5e-4,
turns by any angle, heatmaps decoded without the Gaussian filter.
"""

_base_ = "wholebody_part_256x256.py"

codec = dict(
    type="MSRAHeatmap", input_size=_base_.input_size, heatmap_size=(64, 64), sigma=2
)
model = dict(head=dict(out_channels=21, decoder=codec))
optim_wrapper = dict(optimizer=dict(lr=5e-4))
default_hooks = dict(checkpoint=dict(save_best="AUC"))

train_pipeline = [
    *_base_.load_pipeline,
    dict(type="RandomBBoxTransform", rotate_factor=180, scale_factor=(0.7, 1.3)),
    dict(type="RandomFlip", direction="horizontal"),
    _base_.affine,
    dict(type="GenerateTarget", encoder=codec),
    dict(type="PackPoseInputs"),
]

dataset_type = "CocoWholeBodyHandDataset"
train_dataloader = dict(dataset=dict(type=dataset_type, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type))
test_dataloader = val_dataloader
val_evaluator = [
    dict(type="PCKAccuracy", thr=0.2),
    dict(type="AUC"),
    dict(type="EPE"),
]
test_evaluator = val_evaluator
