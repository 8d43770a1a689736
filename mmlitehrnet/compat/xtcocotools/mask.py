"""Masks are those of pycocotools."""

from pycocotools.mask import *  # noqa: F403
