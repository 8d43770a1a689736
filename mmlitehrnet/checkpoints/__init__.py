"""Files of weights: read safely, compared with networks, converted, published."""

from .reading import (
    CheckpointError,
    Mismatch,
    UntrustedCheckpointError,
    check_file,
    check_weights,
    compare_weights,
    explain,
    load_checkpoint,
    load_weights,
    unwrap,
    weights_of,
)

__all__ = [
    "CheckpointError",
    "Mismatch",
    "UntrustedCheckpointError",
    "check_file",
    "check_weights",
    "compare_weights",
    "explain",
    "load_checkpoint",
    "load_weights",
    "unwrap",
    "weights_of",
]
