"""MPII: data, augmentation, evaluation by PCKh@0.5 on annotated boxes."""

_base_ = "recipe.py"

model = dict(head=dict(out_channels=16))
default_hooks = dict(checkpoint=dict(save_best="PCK"))

augmentation = [
    *_base_.load_pipeline,
    _base_.random_flip,
    _base_.random_transform,
]

# By these names MMPose's Inferencers look for them.
dataset_type = "CheckedMpiiDataset"
data_mode = "topdown"
data_root = "data/mpii/"
train_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_mode=data_mode,
        ann_file="annotations/mpii_train.json",
        data_prefix=dict(img="images/"),
    )
)
val_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_mode=data_mode,
        ann_file="annotations/mpii_val.json",
        headbox_file=data_root + "annotations/mpii_gt_val.mat",
        data_prefix=dict(img="images/"),
        test_mode=True,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(type="MpiiPCKAccuracy")
test_evaluator = val_evaluator
