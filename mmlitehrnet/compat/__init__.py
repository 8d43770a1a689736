"""What upstream needs to run on newer versions than it was released for.

Each file mends one thing, only where that thing is broken. With the versions upstream
was made for, nothing is changed.

=============== =================================== =================== ===============
file            what breaks                         active with         can go with
=============== =================================== =================== ===============
compiling.py    MMEngine 0.10's option `compile`,   the option          a newer MMEngine
                where data samples are moved
drawing.py      drawing keypoints in MMPose 1.3     numpy >= 2.4        a newer MMPose
find_loader.py  MMEngine 0.10's search for mmcv's   CPython >= 3.14     a newer MMEngine
                operators
mmcv_ext.py     mmcv 2.1's operators, which no      mmcv-lite           wheels of mmcv
                wheel has
xtcocotools/    xtcocotools 1.14, which no wheel    no xtcocotools that wheels of it
                has                                 can be loaded
standins.py     serves the last two                 either of them
requirements.py names the command that brings what  setuptools >= 82    a newer MMEngine
                pip has left out: pkg_resources,    or no mmcv
                mmcv
=============== =================================== =================== ===============
"""

# Before what needs them.
from . import find_loader, requirements  # noqa: F401
from .compiling import allow_compiling
from .standins import replace_unloadable

__all__ = ["allow_compiling", "replace_unloadable"]
