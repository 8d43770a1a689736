"""Small generated data sets in the formats of five public ones.

They let training, testing and deployment be tried where the real data is not at
hand. Pictures come with exact labels, and the same arguments give the same bytes.
"""

from .aic import make_aic
from .cityscapes import make_cityscapes
from .coco import make_coco
from .imagenet import make_imagenet
from .mpii import make_mpii

__all__ = ["make_aic", "make_cityscapes", "make_coco", "make_imagenet", "make_mpii"]
