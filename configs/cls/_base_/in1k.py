"""ImageNet-1k classification, to pretrain a backbone: frame, data and schedule.

The head averages the maps of all four resolutions, concatenates and normalises them for
one linear layer. HRNet's own head has 10 million parameters, ten times Lite-HRNet-18's.
The iterative head of the pose networks is not pretrained.

Optimiser, length and data are those of MMPretrain's ShuffleNetV2 (300 epochs, 8 GPUs x
128 images), with a linear warm-up.
"""

_base_ = [
    "mmpretrain::_base_/datasets/imagenet_bs64_pil_resize.py",
    "mmpretrain::_base_/schedules/imagenet_bs1024_linearlr_bn_nowd.py",
    "mmpretrain::_base_/default_runtime.py",
]
custom_imports = dict(
    imports=["mmlitehrnet", "mmlitehrnet.engine.brief_console"],
    allow_failed_imports=False,
)

model = dict(
    type="ImageClassifier",
    # PyTorch's own initialisation: on small data its loss falls faster than with that
    # of the pose networks (standard deviation 0.001).
    backbone=dict(out_indices=(0, 1, 2, 3), init_cfg=[]),
    neck=dict(type="ConcatAveragePooling"),
    head=dict(
        type="LinearClsHead",
        num_classes=1000,
        loss=dict(type="CrossEntropyLoss"),
        topk=(1, 5),
    ),
)
param_scheduler = [
    dict(type="LinearLR", begin=0, end=5000, start_factor=0.001, by_epoch=False),
    dict(type="PolyLR", power=1.0, eta_min=0, by_epoch=False),
]
train_dataloader = dict(batch_size=128)
val_dataloader = dict(batch_size=128)
test_dataloader = val_dataloader
# As in configs/pose/_base_/recipe.py.
default_hooks = dict(
    checkpoint=dict(
        type="SafeCheckpointHook", max_keep_ckpts=3, save_best="accuracy/top1"
    ),
    finite_loss=dict(type="FiniteLossHook"),
    processes=dict(type="ProcessesHook"),
    rehearsal=dict(type="RehearsalHook"),
)
