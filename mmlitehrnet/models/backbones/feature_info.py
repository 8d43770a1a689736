"""What a network gives out, as timm and segmentation_models_pytorch read it."""

from __future__ import annotations

from collections.abc import Sequence


class FeatureInfo(list):
    """A dict for each map, with timm's keys: ``num_chs``, ``reduction``, ``module``."""

    def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
        rows = zip(channels, strides)
        super().__init__(dict(num_chs=c, reduction=s, module="") for c, s in rows)

    def channels(self) -> list[int]:
        """Widths of the maps."""
        return [row["num_chs"] for row in self]

    def reduction(self) -> list[int]:
        """Pixels of the image per pixel of each map."""
        return [row["reduction"] for row in self]
