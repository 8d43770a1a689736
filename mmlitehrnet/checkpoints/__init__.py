"""Files of weights: read, converted, loaded into models, published, downloaded.

No file runs code: see :mod:`.unpickling`.
"""

from .converting import Conversion, convert
from .loaders import load_from
from .loading import (
    Mismatch,
    check_weights,
    compare_weights,
    explain,
    is_folded,
    load_weights,
    unwrap,
)
from .publishing import make_plain, to_builtin, write_weights
from .reading import (
    CheckpointError,
    load_checkpoint,
    meta_of,
    read_file,
    weights_of,
)

__all__ = [
    "CheckpointError",
    "Conversion",
    "Mismatch",
    "check_weights",
    "compare_weights",
    "convert",
    "explain",
    "is_folded",
    "load_checkpoint",
    "load_from",
    "load_weights",
    "make_plain",
    "meta_of",
    "read_file",
    "to_builtin",
    "unwrap",
    "weights_of",
    "write_weights",
]
