"""What stands between a backbone and a head."""

from .concat_average_pooling import ConcatAveragePooling

__all__ = ["ConcatAveragePooling"]
