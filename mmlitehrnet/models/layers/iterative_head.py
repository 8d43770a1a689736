"""The iterative head: from the lowest resolution up, branch by branch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from .depthwise import depthwise_cfg
from .fusion import drop_unused_keys
from .norm import BN
from .tracing import size_of


def _separable_conv(
    in_channels: int, out_channels: int, conv_cfg: dict | None, norm_cfg: dict
) -> nn.Sequential:
    """3x3 depthwise convolution, 1x1 convolution and ReLU."""
    depthwise = ConvModule(
        in_channels,
        in_channels,
        3,
        padding=1,
        groups=in_channels,
        conv_cfg=depthwise_cfg(conv_cfg),
        norm_cfg=norm_cfg,
        act_cfg=None,
    )
    pointwise = ConvModule(
        in_channels, out_channels, 1, conv_cfg=conv_cfg, norm_cfg=norm_cfg
    )
    # The names are those of existing checkpoints.
    return nn.Sequential(
        OrderedDict(depthwise_conv=depthwise, pointwise_conv=pointwise)
    )


def upsample_aligned(x: Tensor, like: Tensor) -> Tensor:
    """Interpolate to the size of ``like``, corners aligned."""
    size = size_of(like)
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


class IterativeHead(nn.Module):
    """Depthwise-separable convolution, upsampling, addition, for each branch in turn.

    From the lowest resolution up, each sum of a branch and the upsampled result
    of the one below (bilinear, corners aligned) is convolved to the width of the
    next branch (Lite-HRNet, section 4, "implementation details").

    Args:
        projects: What each branch goes through, from the lowest resolution up.
        num_branches: Number of branches that checkpoints may have projects of;
            default: that of ``projects``.
        upsample: Maps a result and the next branch's map to the result at its size.
    """

    def __init__(
        self,
        projects: Iterable[nn.Module],
        num_branches: int = 0,
        upsample: Callable[[Tensor, Tensor], Tensor] = upsample_aligned,
    ) -> None:
        super().__init__()
        # From the lowest resolution up, as the names of checkpoints have it.
        self.projects = nn.ModuleList(projects)
        self.num_branches = num_branches
        self.upsample = upsample

    @classmethod
    def build(
        cls,
        channels: Sequence[int],
        first_output: int = 0,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
    ) -> IterativeHead:
        """Build the head of branches of given widths.

        Args:
            channels: Widths of all branches, highest resolution first.
            first_output: Index of the highest resolution that is needed; branches
                above it are not computed.
            conv_cfg: Config of the convolution layers.
            norm_cfg: Config of the normalisation layers.
        """
        widths = cls.widths(channels)
        projects = (
            _separable_conv(channels[i], widths[i], conv_cfg, norm_cfg)
            for i in reversed(range(first_output, len(channels)))
        )
        return cls(projects, len(channels))

    @staticmethod
    def widths(channels: Sequence[int]) -> tuple[int, ...]:
        """Widths of the maps that come out, highest resolution first."""
        return (channels[0], *channels[:-1])

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Map branch maps to as many result maps, highest resolution first."""
        results: list[Tensor] = []
        for x, project in zip(reversed(xs), self.projects):
            if results:
                x = x + self.upsample(results[-1], x)
            results.append(project(x))
        return results[::-1]

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        # Checkpoints of networks that compute every branch stay loadable.
        unused = [
            f"{prefix}projects.{k}."
            for k in range(len(self.projects), self.num_branches)
        ]
        if unused:
            drop_unused_keys(state_dict, unused, prefix.rstrip("."))
        super()._load_from_state_dict(state_dict, prefix, *args)
