"""PP-TinyPose, COCO and AI Challenger, 256x192.

PaddleDetection reports AP 68.8 (COCO val2017, boxes of the ground truth) for its
weights. This is its recipe and its evaluation.

Wider Naive Lite-HRNet-18. Images are warped by UDP (arXiv:1911.07524), targets and
decoding are DARK's (arXiv:1910.06278), with information dropping (arXiv:2008.07139). Of
AI Challenger's 14 joints the 12 that COCO has are used. Boxes are not shifted. The
learning rate is for 4 GPUs x 128 samples.
"""

_base_ = "../_base_/coco.py"

codec = dict(
    type="MSRAHeatmap",
    input_size=(192, 256),
    heatmap_size=(48, 64),
    sigma=2,
    unbiased=True,
    blur_kernel_size=3,
)
model = dict(
    backbone=dict(type="NaiveLiteHRNet", arch="wider_18"), head=dict(decoder=codec)
)
train_cfg = dict(max_epochs=420)
param_scheduler = [
    dict(type="LinearLR", begin=0, end=500, start_factor=0.001, by_epoch=False),
    dict(type="MultiStepLR", milestones=[380, 410], gamma=0.1, by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=512)

load_pipeline = [
    dict(type="LoadImage"),
    dict(type="InclusiveBBox"),
    dict(type="GetBBoxCenterScale"),
]
affine = dict(type="TopdownAffine", input_size=codec["input_size"], use_udp=True)
train_pipeline = [
    *load_pipeline,
    _base_.random_flip,
    _base_.half_body,
    _base_.random_transform,
    # A tenth to a fifth of the input's width, in pixels of the image.
    dict(type="InformationDropping", radius=(19.2, 38.4), offset=9.6, prob=0.5),
    affine,
    dict(type="GenerateTarget", encoder=codec),
    dict(type="PackPoseInputs"),
]
val_pipeline = [*load_pipeline, affine, dict(type="PackPoseInputs")]

coco_info = dict(from_file="configs/_base_/datasets/coco.py")
aic_info = dict(from_file="configs/_base_/datasets/aic.py")
train_coco = dict(
    type=_base_.dataset_type,
    data_root=_base_.data_root,
    data_mode=_base_.data_mode,
    ann_file="annotations/person_keypoints_train2017.json",
    data_prefix=dict(img="train2017/"),
)
train_aic = dict(
    type=_base_.dataset_type,
    metainfo=aic_info,
    data_root="data/aic/",
    data_mode=_base_.data_mode,
    ann_file="annotations/aic_train.json",
    data_prefix=dict(
        img="ai_challenger_keypoint_train_20170902/keypoint_train_images_20170902/"
    ),
    pipeline=[
        dict(
            type="KeypointConverter",
            num_keypoints=17,
            # (AI Challenger's joint, COCO's): arms, then legs, right before left.
            mapping=[
                (0, 6), (1, 8), (2, 10), (3, 5), (4, 7), (5, 9),
                (6, 12), (7, 14), (8, 16), (9, 11), (10, 13), (11, 15),
            ],
        )
    ],
)  # fmt: skip
train_dataloader = dict(
    batch_size=128,
    dataset=dict(
        _delete_=True,
        type="CombinedDataset",
        metainfo=coco_info,
        datasets=[train_coco, train_aic],
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(dataset=dict(bbox_file=None, pipeline=val_pipeline))
test_dataloader = val_dataloader
