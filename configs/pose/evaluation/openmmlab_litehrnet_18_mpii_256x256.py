"""OpenMMLab's Lite-HRNet-18, MPII, 256x256: heatmaps not filtered. PCKh@0.5 85.9."""

_base_ = "../litehrnet_18_mpii_256x256.py"

model = dict(head=dict(decoder=dict(type="MSRAHeatmap")))
