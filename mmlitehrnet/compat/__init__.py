"""What upstream needs to run on newer versions than it was released for.

Each file mends one thing, only where that thing is broken, and says for which
versions. With the versions upstream was made for, nothing is changed.

=============== =============================== ==================================
file            what breaks                     active with
=============== =============================== ==================================
checkpoints.py  loading MMEngine's checkpoints  torch >= 2.6
drawing.py      drawing keypoints in MMPose     numpy >= 2.4
=============== =============================== ==================================
"""

from .checkpoints import allow_checkpoints

__all__ = ["allow_checkpoints"]
