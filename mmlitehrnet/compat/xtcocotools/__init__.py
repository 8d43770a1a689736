"""Stand in for xtcocotools 1.14 by pycocotools, which has wheels.

For CPython 3.12 and later, and NumPy 2; can go when xtcocotools has wheels for them.
Annotations are read and keypoints scored as xtcocotools does, to the last digit. What
MMPose does not use (``COCO(test_index=, ann_data=)``) is not there.
"""
