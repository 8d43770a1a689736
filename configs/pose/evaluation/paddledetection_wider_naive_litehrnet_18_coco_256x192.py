"""PaddleDetection's wider naive Lite-HRNet-18 on COCO, 256x192: it reports AP 67.6.

With DARK's decoding it reports 68.4; that is ``--cfg-options
model.head.decoder.unbiased=True model.head.decoder.blur_kernel_size=3``.
"""

_base_ = "paddledetection_litehrnet_18_coco_256x192.py"

model = dict(backbone=dict(type="NaiveLiteHRNet", arch="wider_18"))
