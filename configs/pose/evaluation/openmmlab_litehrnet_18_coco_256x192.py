"""OpenMMLab's Lite-HRNet-18, COCO, 256x192: heatmaps are not filtered. AP 64.2."""

_base_ = "../litehrnet_18_coco_256x192.py"

model = dict(head=dict(decoder=dict(type="MSRAHeatmap")))
