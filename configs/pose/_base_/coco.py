"""COCO keypoints: data, augmentation, evaluation on detected boxes (AP 56.4)."""

_base_ = "recipe.py"

model = dict(head=dict(out_channels=17))
default_hooks = dict(checkpoint=dict(save_best="coco/AP"))

augmentation = [
    *_base_.load_pipeline,
    _base_.random_shift,
    _base_.random_flip,
    _base_.half_body,
    _base_.random_transform,
]

# By these names MMPose's Inferencers look for them.
dataset_type = "CheckedCocoDataset"
data_mode = "topdown"
data_root = "data/coco/"
train_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_mode=data_mode,
        ann_file="annotations/person_keypoints_train2017.json",
        data_prefix=dict(img="train2017/"),
    )
)
val_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_mode=data_mode,
        ann_file="annotations/person_keypoints_val2017.json",
        bbox_file=data_root
        + "person_detection_results/COCO_val2017_detections_AP_H_56_person.json",
        data_prefix=dict(img="val2017/"),
        test_mode=True,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type="CocoMetric",
    ann_file=data_root + "annotations/person_keypoints_val2017.json",
)
test_evaluator = val_evaluator
