"""Lite-HRNet-18 on generated streets (tools/make_sample_data.py), for two CPU cores.

The network is that of the paper; images, schedule and data are smaller.
"""

_base_ = "../litehrnet_18_cityscapes_512x1024.py"

crop_size = (128, 256)
model = dict(data_preprocessor=dict(size=crop_size))

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(
        type="RandomResize",
        scale=(256, 128),
        ratio_range=(1.0, 1.5),
        keep_ratio=True,
    ),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="RandomFlip", prob=0.0, direction="horizontal"),
                dict(type="RandomFlip", prob=1.0, direction="horizontal"),
            ],
            [dict(type="LoadAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]
data_root = "data/sample_cityscapes/"
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(data_root=data_root, pipeline=test_pipeline),
)
test_dataloader = val_dataloader

train_cfg = dict(max_iters=1200, val_interval=300)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=4e-3, weight_decay=0.01)
)
# A one-cycle rate and averaged weights: the result hardly depends on a machine's
# rounding.
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, begin=0, end=100, by_epoch=False),
    dict(type="CosineAnnealingLR", by_epoch=False),
]
custom_hooks = [dict(type="EMAHook", momentum=0.01)]
default_hooks = dict(logger=dict(interval=25), checkpoint=dict(interval=300))
randomness = dict(seed=0)
