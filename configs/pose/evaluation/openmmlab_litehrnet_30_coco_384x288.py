"""OpenMMLab's Lite-HRNet-30, COCO, 384x288: heatmaps are not filtered. AP 70.0."""

_base_ = "../litehrnet_30_coco_384x288.py"

model = dict(head=dict(decoder=dict(type="MSRAHeatmap")))
