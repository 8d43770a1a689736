"""COCO's boxes as PaddleDetection and MMPose 0.x read them. Imported with MMPose's."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module(force=True)
class InclusiveBBox(BaseTransform):
    """Let annotated boxes end at the centre of their last pixel.

    PaddleDetection and MMPose 0.x take one pixel off the width and height of COCO's
    boxes; MMPose 1.x does not. Boxes of a detector, which come without an annotation,
    are left as they are: so do those two.

    Belongs between ``LoadImage`` and ``GetBBoxCenterScale``. Reads ``raw_ann_info`` and
    ``ori_shape``, sets ``bbox`` (1, 4): left, top, right, bottom in pixels.
    """

    def transform(self, results: dict) -> dict:
        """Set the box of a sample."""
        annotation = results.get("raw_ann_info")
        if annotation:
            x, y, width, height = annotation["bbox"]
            high, wide = results["ori_shape"]
            left, top = max(0, x), max(0, y)
            right = min(wide - 1, left + max(0, width - 1))
            bottom = min(high - 1, top + max(0, height - 1))
            results["bbox"] = np.array([[left, top, right, bottom]], dtype=np.float32)
        return results
