"""PaddleDetection's Lite-HRNet-18 on COCO, 384x288, evaluated as PaddleDetection does.

AP 69.7 (val2017). Boxes are of the ground truth, a pixel smaller than MMPose 1.x makes
them; heatmaps are not filtered; keypoints at their edge get no quarter offset.
"""

_base_ = "../litehrnet_18_coco_384x288.py"

model = dict(head=dict(decoder=dict(type="MSRAHeatmapInner")))

val_pipeline = [
    dict(type="LoadImage"),
    dict(type="InclusiveBBox"),
    dict(type="GetBBoxCenterScale"),
    _base_.affine,
    dict(type="PackPoseInputs"),
]
val_dataloader = dict(dataset=dict(bbox_file=None, pipeline=val_pipeline))
test_dataloader = val_dataloader
