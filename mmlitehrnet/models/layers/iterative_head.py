"""The iterative head: from the lowest resolution up, branch by branch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mmcv.cnn import ConvModule
from torch import Tensor, nn

from .depthwise import depthwise_conv
from .fusion import drop_unused_keys
from .tracing import size_of, upsample

if TYPE_CHECKING:
    from ..deployed import ChannelOrder, Form


def _separable_conv(in_channels: int, out_channels: int, **cfgs: Any) -> nn.Sequential:
    """3x3 depthwise convolution, 1x1 convolution and ReLU."""
    # The names are those of existing checkpoints.
    return nn.Sequential(
        OrderedDict(
            depthwise_conv=depthwise_conv(in_channels, **cfgs),
            pointwise_conv=ConvModule(in_channels, out_channels, 1, **cfgs),
        )
    )


class IterativeHead(nn.Module):
    """Depthwise-separable convolution, upsampling, addition, for each branch in turn.

    From the lowest resolution up, each sum of a branch and the upsampled result
    of the one below (bilinear, corners aligned) is convolved to the width of the
    next branch (Lite-HRNet, section 4, "implementation details").

    Args:
        projects: What each branch goes through, from the lowest resolution up.
        num_branches: Number of branches that checkpoints may have projects of;
            default: that of ``projects``.
    """

    def __init__(self, projects: Iterable[nn.Module], num_branches: int = 0) -> None:
        super().__init__()
        # From the lowest resolution up, as the names of checkpoints have it.
        self.projects = nn.ModuleList(projects)
        self.num_branches = num_branches

    @classmethod
    def build(
        cls,
        channels: Sequence[int],
        first_output: int = 0,
        **cfgs: Any,
    ) -> IterativeHead:
        """Build the head of branches of given widths.

        Args:
            channels: Widths of all branches, highest resolution first.
            first_output: Index of the highest resolution that is needed; branches
                above it are not computed.
            **cfgs: ``conv_cfg`` and ``norm_cfg``, configs of the layers.
        """
        widths = cls.widths(channels)
        projects = (
            _separable_conv(channels[i], widths[i], **cfgs)
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
                size = size_of(x)
                x = x + upsample(results[-1], size, "bilinear", align_corners=True)
            results.append(project(x))
        return results[::-1]

    def deploy(
        self, orders: list[ChannelOrder], form: Form
    ) -> tuple[IterativeHead, list[ChannelOrder]]:
        """Inference form, and the orders of what comes out."""
        lowest_first = orders[::-1]
        projects, results = [], []
        for k, project in enumerate(self.projects):
            # What comes out is added to the next branch; the last one goes out.
            out = orders[0].natural(form.fold(project)[-1].width)
            if k < len(self.projects) - 1:
                out = lowest_first[k + 1]
            path, out = form.chain(project, lowest_first[k], out)
            projects.append(path)
            results.append(out)
        return IterativeHead(projects), results[::-1]

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        # Checkpoints of networks that compute every branch stay loadable.
        unused = [
            f"{prefix}projects.{k}."
            for k in range(len(self.projects), self.num_branches)
        ]
        drop_unused_keys(state_dict, unused, prefix.rstrip("."))
        super()._load_from_state_dict(state_dict, prefix, *args)
