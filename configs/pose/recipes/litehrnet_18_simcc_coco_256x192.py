"""Lite-HRNet-18, COCO, 256x192, with SimCC (arXiv:2107.03332).

A keypoint is two classifications, of its column and of its row, in bins of half a
pixel.

The head reads the 1/16 map: with 1.08M parameters it is the largest that makes the
network no heavier than with heatmaps (1.13M; 1/8: 1.56M, 1/4: 3.58M).
"""

_base_ = "../_base_/coco.py"

codec = dict(type="SimCCLabel", input_size=(192, 256), sigma=6.0, simcc_split_ratio=2.0)
model = dict(
    backbone=dict(type="LiteHRNet", arch="18", with_head=False, out_indices=(2,)),
    head=dict(
        _delete_=True,
        type="SimCCHead",
        in_channels=160,
        out_channels=17,
        input_size=codec["input_size"],
        in_featuremap_size=(12, 16),
        simcc_split_ratio=codec["simcc_split_ratio"],
        deconv_out_channels=None,
        loss=dict(type="KLDiscretLoss", use_target_weight=True),
        decoder=codec,
    ),
    test_cfg=dict(_delete_=True, flip_test=True),
)

affine = dict(type="TopdownAffine", input_size=codec["input_size"])
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
