"""Faces and hands of COCO-WholeBody at 256x256, on annotated boxes: what they share."""

_base_ = "recipe.py"

input_size = (256, 256)
affine = dict(type="TopdownAffine", input_size=input_size)
val_pipeline = [*_base_.load_pipeline, affine, dict(type="PackPoseInputs")]

data_root = "data/coco/"
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        data_mode="topdown",
        ann_file="annotations/coco_wholebody_train_v1.0.json",
        data_prefix=dict(img="train2017/"),
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        data_mode="topdown",
        ann_file="annotations/coco_wholebody_val_v1.0.json",
        data_prefix=dict(img="val2017/"),
        test_mode=True,
        pipeline=val_pipeline,
    )
)
test_dataloader = val_dataloader
