"""OpenMMLab's Lite-HRNet-18, COCO, 384x288: heatmaps are not filtered. AP 67.6."""

_base_ = "../litehrnet_18_coco_384x288.py"

model = dict(head=dict(decoder=dict(type="MSRAHeatmap")))
