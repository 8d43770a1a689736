"""Small HRNet-W16, Cityscapes, starting from timm's ImageNet weights.

The file is timm's ``hrnet_w18_small`` (docs/train_and_test.md). Fusions upsample
bilinearly here, and to the nearest in timm.
"""

_base_ = "../small_hrnet_w16_cityscapes_512x1024.py"

pretrained = dict(
    type="Pretrained",
    checkpoint="checkpoints/hrnet_w18_small.safetensors",
    prefix="backbone.",
)
model = dict(backbone=dict(init_cfg=pretrained))
