"""The detector of persons for top-down pose estimation, from COCO's keypoint files."""

_base_ = "litehrnet_18_gfl_coco_416x416.py"

model = dict(bbox_head=dict(num_classes=1))
metainfo = dict(classes=("person",), palette=[(220, 20, 60)])
train_dataloader = dict(
    dataset=dict(
        metainfo=metainfo, ann_file="annotations/person_keypoints_train2017.json"
    )
)
val_dataloader = dict(
    dataset=dict(
        metainfo=metainfo, ann_file="annotations/person_keypoints_val2017.json"
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(
    ann_file=_base_.data_root + "annotations/person_keypoints_val2017.json"
)
test_evaluator = val_evaluator
