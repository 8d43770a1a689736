"""PP-TinyPose, COCO and AI Challenger, 128x96.

PaddleDetection reports AP 58.1 (COCO val2017, boxes of the ground truth) for its
weights. The learning rate is for 4 GPUs x 512 samples; the rest is the recipe of
tinypose_256x192_aic-coco.py.
"""

_base_ = "tinypose_256x192_aic-coco.py"

codec = dict(input_size=(96, 128), heatmap_size=(24, 32), sigma=1)
model = dict(head=dict(decoder=codec))
optim_wrapper = dict(optimizer=dict(lr=8e-3))
auto_scale_lr = dict(base_batch_size=2048)

affine = dict(type="TopdownAffine", input_size=codec["input_size"], use_udp=True)
train_pipeline = [
    *_base_.load_pipeline,
    _base_.random_flip,
    _base_.half_body,
    _base_.random_transform,
    dict(type="InformationDropping", radius=(9.6, 19.2), offset=4.8, prob=0.5),
    affine,
    dict(type="GenerateTarget", encoder={**_base_.codec, **codec}),
    dict(type="PackPoseInputs"),
]
val_pipeline = [*_base_.load_pipeline, affine, dict(type="PackPoseInputs")]

train_dataloader = dict(batch_size=512, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
