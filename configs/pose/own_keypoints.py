"""Keypoints of one's own, from 30 to 300 pictures: copy this file and edit its top.

docs/own_data.md goes through it. Training starts from Lite-HRNet-18's public weights
for COCO; `--cfg-options load_from=None` starts from random ones.
"""

# In another folder: __import__("mmlitehrnet") and
# "mmlitehrnet::pose/litehrnet_18_coco_256x192.py"
_base_ = "litehrnet_18_coco_256x192.py"

data_root = "data/own/"  # with images/, train.json and val.json
input_size = (128, 128)  # width, height of the network's input: of an object's shape
keypoints = (
    "head", "neck", "hip", "l_hand", "r_hand", "l_knee", "r_knee", "l_foot", "r_foot",
)  # fmt: skip
# Which become each other in a mirror image; () if there are no such pairs.
pairs = (
    ("l_hand", "r_hand"),
    ("l_knee", "r_knee"),
    ("l_foot", "r_foot"),
)
# What is drawn as lines.
links = (
    ("head", "neck"),
    ("neck", "hip"),
    ("neck", "l_hand"),
    ("neck", "r_hand"),
    ("hip", "l_knee"),
    ("hip", "r_knee"),
    ("l_knee", "l_foot"),
    ("r_knee", "r_foot"),
)
# OKS: the standard deviation of a keypoint's place, in parts of the object's size. COCO
# has 0.025 (eyes) to 0.107 (hips).
sigma = 0.05

# From here on, little has to be changed.
swaps = {**dict(pairs), **{right: left for left, right in pairs}}
metainfo = dict(
    dataset_name="own keypoints",
    keypoint_info={
        number: dict(name=name, id=number, type="", swap=swaps.get(name, ""))
        for number, name in enumerate(keypoints)
    },
    skeleton_info={
        number: dict(link=link, id=number) for number, link in enumerate(links)
    },
    joint_weights=[1.0] * len(keypoints),
    sigmas=[sigma] * len(keypoints),
)
codec = dict(
    type="MSRAHeatmapBlur",
    input_size=input_size,
    heatmap_size=(input_size[0] // 4, input_size[1] // 4),
    sigma=2,
)
model = dict(head=dict(out_channels=len(keypoints), decoder=codec))
load_from = "zoo:openmmlab_litehrnet_18_coco_256x192"

affine = dict(type="TopdownAffine", input_size=input_size)
train_pipeline = [
    *_base_.load_pipeline,
    dict(type="RandomFlip", direction="horizontal"),
    dict(type="RandomBBoxShift", shift_factor=0.1, shift_prob=0.5),
    dict(type="RandomScaleRotation", scale_factor=0.25, rotate_factor=20),
    dict(type="PhotometricDistortion"),
    affine,
    dict(type="GenerateTarget", encoder=codec),
    dict(type="PackPoseInputs"),
]
val_pipeline = [*_base_.load_pipeline, affine, dict(type="PackPoseInputs")]

dataset = dict(
    metainfo=metainfo,
    data_root=data_root,
    data_prefix=dict(img="images/"),
)
train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    dataset=dict(**dataset, ann_file="train.json", pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=2,
    dataset=dict(
        **dataset,
        ann_file="val.json",
        bbox_file=None,  # the annotated boxes
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type="CocoMetric", ann_file=data_root + "val.json"),
    dict(type="PCKAccuracy", thr=0.05),  # within 0.05 of the box
    dict(type="NME", norm_mode="use_norm_item", norm_item="bbox_size"),
]
test_evaluator = val_evaluator

# The rate rises for ten epochs and falls to the end of the run, whose length is this:
train_cfg = dict(max_epochs=60, val_interval=10)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(
        type="LinearLR", start_factor=0.05, end=10, by_epoch=True,
        convert_to_iter_based=True,
    ),
    dict(type="CosineAnnealingLR", by_epoch=True, convert_to_iter_based=True),
]  # fmt: skip
auto_scale_lr = dict(enable=False, base_batch_size=16)
# Tested and kept is a moving average of the weights: few pictures give noisy steps.
custom_hooks = [
    *_base_.custom_hooks,
    dict(type="EMAHook", ema_type="ExpMomentumEMA", momentum=0.01),
]
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=10))
