"""Hands of COCO-WholeBody: 21 keypoints, at 256x256, on annotated boxes.

The recipe is that of MMPose's own Lite-HRNet config for this data: learning rate 5e-4,
turns by any angle, heatmaps decoded without the Gaussian filter.
"""

_base_ = "recipe.py"

codec = dict(type="MSRAHeatmap", input_size=(256, 256), heatmap_size=(64, 64), sigma=2)
model = dict(head=dict(out_channels=21, decoder=codec))
optim_wrapper = dict(optimizer=dict(lr=5e-4))
default_hooks = dict(checkpoint=dict(save_best="AUC"))

affine = dict(type="TopdownAffine", input_size=codec["input_size"])
train_pipeline = [
    *_base_.load_pipeline,
    dict(type="RandomBBoxTransform", rotate_factor=180, scale_factor=(0.7, 1.3)),
    dict(type="RandomFlip", direction="horizontal"),
    affine,
    dict(type="GenerateTarget", encoder=codec),
    dict(type="PackPoseInputs"),
]
val_pipeline = [*_base_.load_pipeline, affine, dict(type="PackPoseInputs")]

data_root = "data/coco/"
train_dataloader = dict(
    dataset=dict(
        type="CocoWholeBodyHandDataset",
        data_root=data_root,
        data_mode="topdown",
        ann_file="annotations/coco_wholebody_train_v1.0.json",
        data_prefix=dict(img="train2017/"),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        type="CocoWholeBodyHandDataset",
        data_root=data_root,
        data_mode="topdown",
        ann_file="annotations/coco_wholebody_val_v1.0.json",
        data_prefix=dict(img="val2017/"),
        test_mode=True,
        pipeline=val_pipeline,
    )
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type="PCKAccuracy", thr=0.2),
    dict(type="AUC"),
    dict(type="EPE"),
]
test_evaluator = val_evaluator
