"""Lite-HRNet-18 on generated people (tools/make_sample_data.py), for two CPU cores.

The network is that of the paper; input, schedule and data are smaller.
"""

_base_ = "../litehrnet_18_coco_256x192.py"

codec = dict(
    type="MSRAHeatmapBlur",
    input_size=(96, 128),
    heatmap_size=(24, 32),
    sigma=1.5,
    blur_kernel_size=5,
)
model = dict(head=dict(decoder=codec))

# People fill more of these small crops than the usual 1 / 1.25.
load_pipeline = [dict(type="LoadImage"), dict(type="GetBBoxCenterScale", padding=1.1)]
affine = dict(type="TopdownAffine", input_size=codec["input_size"])
train_pipeline = [
    *load_pipeline,
    dict(type="RandomFlip", direction="horizontal"),
    dict(
        type="RandomBBoxTransform",
        shift_prob=0,
        rotate_factor=15,
        scale_factor=(0.85, 1.15),
    ),
    affine,
    dict(type="GenerateTarget", encoder=codec),
    dict(type="PackPoseInputs"),
]
val_pipeline = [*load_pipeline, affine, dict(type="PackPoseInputs")]

data_root = "data/sample_coco/"
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=8,  # so that progress is shown on the way
    num_workers=1,
    dataset=dict(
        data_root=data_root,
        pipeline=val_pipeline,
        bbox_file=data_root
        + "person_detection_results/COCO_val2017_detections_AP_H_56_person.json",
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "annotations/person_keypoints_val2017.json")
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=5, val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=4e-3))
# A one-cycle rate and weights averaged over 50 steps, from the first epoch on: the
# result hardly depends on a machine's rounding.
param_scheduler = [
    dict(type="LinearLR", begin=0, end=100, start_factor=0.05, by_epoch=False),
    dict(type="CosineAnnealingLR", by_epoch=True, convert_to_iter_based=True),
]
custom_hooks = [
    *_base_.custom_hooks,
    dict(type="EMAHook", ema_type="ExpMomentumEMA", momentum=0.02, gamma=100),
]
default_hooks = dict(
    logger=dict(interval=20),
    # Three pictures of each validation; the first epoch's network is not sure.
    visualization=dict(enable=True, interval=10, kpt_thr=0.1),
)
randomness = dict(seed=0)
