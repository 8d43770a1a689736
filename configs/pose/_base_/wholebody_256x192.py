"""COCO-WholeBody: 133 keypoints of body, feet, face and hands, at 256x192.

Images, boxes, augmentation and recipe are those of COCO; the annotations are
COCO-WholeBody's.
"""

_base_ = "coco_256x192.py"

model = dict(head=dict(out_channels=133))
default_hooks = dict(checkpoint=dict(save_best="coco-wholebody/AP"))

train_dataloader = dict(
    dataset=dict(
        type="CocoWholeBodyDataset",
        ann_file="annotations/coco_wholebody_train_v1.0.json",
    )
)
val_dataloader = dict(
    dataset=dict(
        type="CocoWholeBodyDataset",
        ann_file="annotations/coco_wholebody_val_v1.0.json",
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type="CocoWholeBodyMetric",
    ann_file=_base_.data_root + "annotations/coco_wholebody_val_v1.0.json",
)
test_evaluator = val_evaluator
