"""Classes of one's own, from 30 to 300 pictures: copy this file and edit its top.

docs/own_data.md goes through it. Pictures and label images have the same names; a pixel
of a label image is the number of its class, or 255 where it is not labelled.
"""

# In another folder: __import__("mmlitehrnet") and
# "mmlitehrnet::seg/litehrnet_18_cityscapes_512x1024.py"
_base_ = "litehrnet_18_cityscapes_512x1024.py"

data_root = "data/own_classes/"  # with {train,val}/images and {train,val}/labels
classes = ("soil", "crop", "weed")
palette = [[120, 90, 60], [60, 160, 60], [200, 60, 60]]  # red, green, blue
img_suffix, seg_map_suffix = ".jpg", ".png"
size = (256, 256)  # width, height that pictures are fitted into
crop_size = (256, 256)  # height, width of what is trained on

# From here on, little has to be changed.
model = dict(
    data_preprocessor=dict(size=crop_size),
    # Without load_from: PyTorch's own weights, with which few pictures are learnt.
    backbone=dict(init_cfg=[]),
    decode_head=dict(num_classes=len(classes)),
)
# Public weights of the pose network: all but the decode head starts from them.
load_from = "zoo:openmmlab_litehrnet_18_coco_256x192"

resize = dict(type="Resize", scale=size, keep_ratio=True)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomResize", scale=size, ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    resize,
    dict(type="LoadAnnotations"),  # after Resize: labels keep their size
    dict(type="PackSegInputs"),
]
flips = [
    dict(type="RandomFlip", prob=prob, direction="horizontal") for prob in (0.0, 1.0)
]
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [resize], flips, [dict(type="LoadAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]  # fmt: skip

dataset = dict(
    _delete_=True,
    type="CheckedSegDataset",
    data_root=data_root,
    metainfo=dict(classes=classes, palette=palette),
    img_suffix=img_suffix,
    seg_map_suffix=seg_map_suffix,
)
train_dataloader = dict(
    num_workers=2,
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path="train/images", seg_map_path="train/labels"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    num_workers=2,
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path="val/images", seg_map_path="val/labels"),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# The rate rises for 100 iterations and falls to the end of the run.
train_cfg = dict(max_iters=1000, val_interval=100)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=2e-3, weight_decay=0.01)
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, end=100, by_epoch=False),
    dict(type="CosineAnnealingLR", by_epoch=False),
]
custom_hooks = [dict(type="EMAHook", momentum=0.01)]
default_hooks = dict(logger=dict(interval=25), checkpoint=dict(interval=100))
