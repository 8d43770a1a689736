"""Intel's Lite-HRNet-S, Cityscapes, starting from Intel's ImageNet weights."""

_base_ = "../_base_/cityscapes_512x1024.py"

# As in OpenVINO Training Extensions, the branches are aggregated iteratively, here by
# the network's own head, before a 1x1 convolution and the classifier. The map is 1/8.
model = dict(
    backbone=dict(
        type="LiteHRNet",
        arch="s",
        init_cfg=dict(type="Pretrained", checkpoint="zoo:intel_litehrnet_s_in1k"),
    ),
    decode_head=dict(
        type="FCNHead",
        in_channels=60,
        in_index=0,
        channels=60,
        kernel_size=1,
        num_convs=1,
        concat_input=False,
    ),
)
