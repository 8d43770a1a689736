"""Intel's Lite-HRNet-X, Cityscapes, starting from Intel's ImageNet weights."""

_base_ = "litehrnet_s_imagenet_cityscapes_512x1024.py"

# The map is 1/2, of 18 channels.
pretrained = dict(type="Pretrained", checkpoint="zoo:intel_litehrnet_x_in1k")
model = dict(
    backbone=dict(arch="x", init_cfg=pretrained),
    decode_head=dict(in_channels=18),
)
