"""ImageNet-1k classification, to pretrain a backbone: frame, data and schedule.

The maps of all four resolutions are averaged, put together and normalised for one
linear layer.
HRNet's own classification head (MMPretrain's HRFuseScales) widens them to 2048 channels
first: 10 million parameters, which would learn in the place of Lite-HRNet-18's one
million. With only the 1/32 map, the last fusion's paths to the other maps would not be
trained. The iterative head of the pose networks is no part of it: it starts anew there.

Optimiser, length and data are those of MMPretrain's ShuffleNetV2 (a light network, 300
epochs, 8 GPUs x 128 images); the rate falls linearly from the start on, behind a
warm-up that rises instead of staying low. Images are normalised as in other configs.
"""

_base_ = [
    "mmpretrain::_base_/datasets/imagenet_bs64_pil_resize.py",
    "mmpretrain::_base_/schedules/imagenet_bs1024_linearlr_bn_nowd.py",
    "mmpretrain::_base_/default_runtime.py",
]
custom_imports = dict(imports=["mmlitehrnet"], allow_failed_imports=False)

model = dict(
    type="ImageClassifier",
    # PyTorch's own initialisation, not that of the pose networks (standard deviation
    # 0.001). On 2,400 generated shapes (make_imagenet, 64x64, AdamW, batch of 32, one
    # seed) the loss of Lite-HRNet-18 was 1.42 after 400 steps with it and 1.71 with
    # theirs; torchvision's MobileNetV2 had 1.06.
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
default_hooks = dict(checkpoint=dict(max_keep_ckpts=3, save_best="accuracy/top1"))
