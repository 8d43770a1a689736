"""Recipe of the Lite-HRNet paper for Cityscapes, and the segmentor but its backbone.

Trained from scratch on crops of 512x1024 (height x width), 4 GPUs x 4 images. Tested at
512x1024, whole; predictions are enlarged and compared with the labels at 1024x2048, as
the Cityscapes server does.
"""

_base_ = [
    "mmseg::_base_/datasets/cityscapes.py",
    "mmseg::_base_/schedules/schedule_160k.py",
    "mmseg::_base_/default_runtime.py",
]
custom_imports = dict(
    imports=["mmlitehrnet", "mmlitehrnet.engine.brief_console"],
    allow_failed_imports=False,
)

# On one process, or without a GPU, SyncBN is ordinary batch normalisation.
norm_cfg = dict(type="SyncBN", requires_grad=True)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=_base_.crop_size,
    ),
    backbone=dict(norm_cfg=norm_cfg),
    decode_head=dict(
        num_classes=19,
        dropout_ratio=0,
        norm_cfg=norm_cfg,
        align_corners=False,
        # The mean over labelled pixels; MMSegmentation would count void ones as 0.
        loss_decode=dict(type="CrossEntropyLoss", avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)

# The paper names scaling, cropping and flipping; MMSegmentation's own recipe adds
# colour distortion and a limit on the share of one class in a crop.
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(
        type="RandomResize",
        scale=(2048, 1024),
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
    ),
    dict(type="RandomCrop", crop_size=_base_.crop_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_size = dict(type="Resize", scale=(1024, 512), keep_ratio=True)
test_pipeline = [
    dict(type="LoadImageFromFile"),
    test_size,
    dict(type="LoadAnnotations"),  # after Resize: labels keep their size
    dict(type="PackSegInputs"),
]
# What `--tta` does: the image and its mirror image, at the same size.
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [test_size],
            [
                dict(type="RandomFlip", prob=0.0, direction="horizontal"),
                dict(type="RandomFlip", prob=1.0, direction="horizontal"),
            ],
            [dict(type="LoadAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]
dataset_type = "CheckedCityscapesDataset"
train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    dataset=dict(type=dataset_type, pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(type=dataset_type, pipeline=test_pipeline))
test_dataloader = val_dataloader

# SGD (1e-2, momentum 0.9, weight decay 5e-4) and 160k iterations are schedule_160k's.
# MMEngine puts the end of the run for the end of the schedule.
param_scheduler = [dict(type="PolyLR", power=0.9, eta_min=0, by_epoch=False)]
auto_scale_lr = dict(enable=False, base_batch_size=16)
# Checkpoints that survive a crash (docs/robustness.md) and processes that agree
# (docs/several_machines.md).
default_hooks = dict(
    checkpoint=dict(type="SafeCheckpointHook", save_best="mIoU", max_keep_ckpts=3),
    finite_loss=dict(type="FiniteLossHook"),
    processes=dict(type="ProcessesHook"),
    rehearsal=dict(type="RehearsalHook"),
    badcase=dict(type="SegBadCaseAnalysisHook", enable=False),
    visualization=dict(interval=1),  # --show-dir draws every picture
)
