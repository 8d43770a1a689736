"""The inference form of a backbone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..layers.channel_weighting import WeightedBlocks
from ..layers.fusion import Fusion
from .form import Form
from .orders import ChannelOrder


class DeployedNet(nn.Module):
    """The layers of a backbone, in the form in which a runtime computes them fastest.

    A backbone consists of it once it has been switched to deploy. It is for inference
    only, and gives the same maps as the trained layers, to rounding.

    Args:
        stem: Layers from the image to the first map, in the order in which they run.
        parts: What maps branch maps to branch maps, in the order in which it runs.
        positions: Which of the last part's maps are given out.
        in_channels: Number of image channels.
        form: Form of the network.

    Raises:
        TypeError: If there are layers that cannot be deployed.
    """

    def __init__(
        self,
        stem: Sequence[Any],
        parts: Iterable[Any],
        positions: Sequence[int],
        in_channels: int,
        form: Form,
    ) -> None:
        super().__init__()
        self.form = form
        self.positions = list(positions)
        *convs, last = stem
        first, order = form.chain(convs, ChannelOrder.natural(in_channels))
        second, order = last.deploy(order, form)
        self.stem = nn.Sequential(first, second)
        orders, deployed = [order], []
        blocks: Any = None
        for part in parts:
            module, orders = part.deploy(orders, form)
            if isinstance(part, Fusion) and isinstance(blocks, WeightedBlocks):
                blocks.leaves_bias = part.first_branch.seen != "input"
            deployed.append(module)
            blocks = module
        self.parts = nn.Sequential(*deployed)
        self.reorder = nn.ModuleList(form.reorder(orders[k]) for k in self.positions)
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images (N, in_channels, H, W) to the maps that the backbone gives out."""
        if self.form.memory_layout == "NHWC":
            x = x.contiguous(memory_format=torch.channels_last)
        xs = self.parts([self.stem(x)])
        return tuple(reorder(xs[k]) for reorder, k in zip(self.reorder, self.positions))

    def lay_out(self, like: Tensor) -> DeployedNet:
        """Put the weights on a tensor's device, of its type, as the form has them."""
        self.to(like)
        if self.form.memory_layout == "NHWC":
            for parameter in self.parameters():
                if parameter.dim() == 4:
                    parameter.data = parameter.contiguous(
                        memory_format=torch.channels_last
                    )
        return self
