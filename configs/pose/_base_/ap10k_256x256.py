"""AP-10K, animals: 17 keypoints, at 256x256, on annotated boxes (split 1).

Recipe of the papers for COCO.
"""

_base_ = "recipe.py"

codec = dict(
    type="MSRAHeatmapBlur", input_size=(256, 256), heatmap_size=(64, 64), sigma=2
)
model = dict(head=dict(out_channels=17, decoder=codec))
default_hooks = dict(checkpoint=dict(save_best="coco/AP"))

affine = dict(type="TopdownAffine", input_size=codec["input_size"])
train_pipeline = [
    *_base_.load_pipeline,
    _base_.random_shift,
    _base_.random_flip,
    _base_.half_body,
    _base_.random_transform,
    affine,
    dict(type="GenerateTarget", encoder=codec),
    dict(type="PackPoseInputs"),
]
val_pipeline = [*_base_.load_pipeline, affine, dict(type="PackPoseInputs")]

data_root = "data/ap10k/"
train_dataloader = dict(
    dataset=dict(
        type="AP10KDataset",
        data_root=data_root,
        data_mode="topdown",
        ann_file="annotations/ap10k-train-split1.json",
        data_prefix=dict(img="data/"),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        type="AP10KDataset",
        data_root=data_root,
        data_mode="topdown",
        ann_file="annotations/ap10k-val-split1.json",
        data_prefix=dict(img="data/"),
        test_mode=True,
        pipeline=val_pipeline,
    )
)
test_dataloader = dict(
    dataset=dict(
        type="AP10KDataset",
        data_root=data_root,
        data_mode="topdown",
        ann_file="annotations/ap10k-test-split1.json",
        data_prefix=dict(img="data/"),
        test_mode=True,
        pipeline=val_pipeline,
    )
)
val_evaluator = dict(
    type="CocoMetric", ann_file=data_root + "annotations/ap10k-val-split1.json"
)
test_evaluator = dict(
    type="CocoMetric", ann_file=data_root + "annotations/ap10k-test-split1.json"
)
