"""Small HRNet-W16, Cityscapes. Lite-HRNet paper's mIoU for HRNet-W16: 68.6 (val)."""

_base_ = "_base_/cityscapes_512x1024.py"

# HRNetV2: all maps concatenated at 1/4, a 1x1 convolution, the classifier.
model = dict(
    backbone=dict(
        type="SmallHRNet",
        arch="w16",
        upsample="bilinear",
        out_indices=(0, 1, 2, 3),
    ),
    decode_head=dict(
        type="FCNHead",
        in_channels=[16, 32, 64, 128],
        in_index=(0, 1, 2, 3),
        input_transform="resize_concat",
        channels=240,
        kernel_size=1,
        num_convs=1,
        concat_input=False,
    ),
)
