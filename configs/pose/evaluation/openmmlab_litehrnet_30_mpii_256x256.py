"""OpenMMLab's Lite-HRNet-30, MPII, 256x256: heatmaps not filtered. PCKh@0.5 86.9."""

_base_ = "../litehrnet_30_mpii_256x256.py"

model = dict(head=dict(decoder=dict(type="MSRAHeatmap")))
