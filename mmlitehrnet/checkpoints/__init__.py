"""Files of weights: read safely, compared with networks, converted, published."""

from .comparing import (
    Mismatch,
    check_weights,
    compare_weights,
    explain,
    fits,
    fitting_configs,
    load_weights,
    unwrap,
)
from .conversion import Conversion, convert
from .loaders import load_from_other_format, load_from_zoo
from .publishing import publish, write_weights
from .reading import (
    CheckpointError,
    UntrustedCheckpointError,
    check_file,
    load_checkpoint,
    meta_of,
    state_dict_of,
    weights_of,
)

__all__ = [
    "CheckpointError",
    "Conversion",
    "Mismatch",
    "UntrustedCheckpointError",
    "check_file",
    "check_weights",
    "compare_weights",
    "convert",
    "explain",
    "fits",
    "fitting_configs",
    "load_checkpoint",
    "load_from_other_format",
    "load_from_zoo",
    "load_weights",
    "meta_of",
    "publish",
    "state_dict_of",
    "unwrap",
    "weights_of",
    "write_weights",
]
