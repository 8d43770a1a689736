"""Recipe of the Lite-HRNet and Dite-HRNet papers, all but the data.

The learning rate is stated for 8 GPUs x 32 samples; ``--auto-scale-lr`` adapts it to
the batch size of the run.
"""

_base_ = "mmpose::_base_/default_runtime.py"
custom_imports = dict(
    imports=["mmlitehrnet", "mmlitehrnet.engine.brief_console"],
    allow_failed_imports=False,
)

train_cfg = dict(max_epochs=210, val_interval=10)
optim_wrapper = dict(optimizer=dict(type="Adam", lr=2e-3))
param_scheduler = [
    dict(type="LinearLR", begin=0, end=500, start_factor=0.001, by_epoch=False),
    dict(type="MultiStepLR", milestones=[170, 200], gamma=0.1, by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=256)
# Checkpoints that survive a crash (docs/robustness.md), of the last three epochs, and
# processes that agree (docs/several_machines.md).
default_hooks = dict(
    checkpoint=dict(
        type="SafeCheckpointHook", interval=1, rule="greater", max_keep_ckpts=3
    ),
    finite_loss=dict(type="FiniteLossHook"),
    processes=dict(type="ProcessesHook"),
    rehearsal=dict(type="RehearsalHook"),
)

# A config adds its backbone, and in_channels where the first map has not 40 channels.
model = dict(
    type="TopdownPoseEstimator",
    data_preprocessor=dict(
        type="PoseDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    head=dict(
        type="HeatmapHead",
        in_channels=40,
        deconv_out_channels=None,
        loss=dict(type="KeypointMSELoss", use_target_weight=True),
    ),
    test_cfg=dict(flip_test=True, flip_mode="heatmap", shift_heatmap=True),
)

load_pipeline = [dict(type="LoadImage"), dict(type="GetBBoxCenterScale")]
# Augmentation as in the released configs with MMPose 0.x (docs/recipe.md). The order
# matters: a half body replaces the box and its shift.
# For COCO; MMPose 0.x shifts boxes when they are loaded.
random_shift = dict(type="RandomBBoxShift", shift_factor=0.16, shift_prob=0.3)
random_flip = dict(type="RandomFlip", direction="horizontal")
# MMPose 0.x takes the upper half where a normal variable is below 0.5.
half_body = dict(type="RandomHalfBody", upper_prioritized_prob=0.6915)
random_transform = dict(
    type="RandomScaleRotation", scale_factor=0.25, rotate_factor=30, rotate_prob=0.6
)
train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
)
test_dataloader = val_dataloader
