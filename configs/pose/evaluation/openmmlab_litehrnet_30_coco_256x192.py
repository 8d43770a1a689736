"""OpenMMLab's Lite-HRNet-30, COCO, 256x192: heatmaps are not filtered. AP 67.6."""

_base_ = "../litehrnet_30_coco_256x192.py"

model = dict(head=dict(decoder=dict(type="MSRAHeatmap")))
