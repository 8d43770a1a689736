"""Small HRNet-W16, COCO, 256x192, starting from timm's ImageNet weights.

The file is timm's ``hrnet_w18_small`` (docs/train_and_test.md).
"""

_base_ = "../small_hrnet_w16_coco_256x192.py"

pretrained = dict(
    type="Pretrained",
    checkpoint="checkpoints/hrnet_w18_small.safetensors",
    prefix="backbone.",
)
model = dict(backbone=dict(init_cfg=pretrained))
