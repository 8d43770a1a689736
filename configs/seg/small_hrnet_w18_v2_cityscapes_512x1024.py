"""HRNetV2-W18-Small-v2, Cityscapes. 76.2 mIoU (val) at 1024x2048, pretrained."""

_base_ = "small_hrnet_w16_cityscapes_512x1024.py"

model = dict(
    backbone=dict(arch="w18_v2"),
    decode_head=dict(in_channels=[18, 36, 72, 144], channels=270),
)
