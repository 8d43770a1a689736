"""Small pose models to export, and images for them."""

import cv2
import numpy as np
import torch
from mmpose.apis import inference_topdown, init_model

CONFIG = "configs/pose/litehrnet_18_coco_256x192.py"
RECIPE = "configs/pose/recipes/litehrnet_18_{}_coco_256x192.py"
#: A backbone's table of one block on three branches, so that it is quickly exported.
SPEC = dict(num_modules=(1,), num_blocks=(1,), num_channels=((16, 32, 64),))
SMALL = dict(stages_spec=SPEC)
BOXES = [[30.5, 20.0, 120.25, 200.0], [150, 40, 260, 230.5], [-20, -30, 90, 120]]


def scene(seed=0):
    """An image (240, 320, 3) with smooth and sharp parts."""
    noise = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)
    return cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)


def pose_model(config=CONFIG, **changes):
    """A small network with PyTorch's default weights, which are well-conditioned."""
    torch.manual_seed(0)
    changes = {
        "model.head.in_channels": 64 if "simcc" in config else 16,
        "model.backbone.arch": None,
        "model.backbone.extra": SMALL,
    } | changes
    model = init_model(config, device="cpu", cfg_options=changes)
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return model.eval()


def by_mmpose(model, image, boxes=BOXES):
    """Keypoints (M, K, 2) and scores (M, K) of MMPose."""
    results = inference_topdown(model, image, np.array(boxes, np.float32))
    found = [result.pred_instances for result in results]
    return (
        np.concatenate([each.keypoints for each in found]),
        np.concatenate([each.keypoint_scores for each in found]),
    )
