"""Lite-HRNet-18, Cityscapes. Lite-HRNet paper's mIoU: 73.8 (val), 72.8 (test)."""

_base_ = "_base_/cityscapes_512x1024.py"

# The head reads the 1/4, 1/8 and 1/16 maps: docs/segmentation.md says why, and what
# other heads cost.
model = dict(
    backbone=dict(type="LiteHRNet", arch="18", with_head=False, out_indices=(0, 1, 2)),
    decode_head=dict(
        type="SegformerHead",
        in_channels=[40, 80, 160],
        in_index=[0, 1, 2],
        channels=20,
    ),
)
