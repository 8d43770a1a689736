"""The inference form of the stems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..layers.context_modeling import GlobalContextModeling
from ..layers.stem import DGCStem, LiteStem
from .blocks import deploy_branch
from .channels import ChannelOrder, concatenate, natural_order, unscaled
from .context import GlobalContext
from .convs import chain, dense_conv
from .dynamic import dynamic_conv
from .fold import folded_chain
from .forms import Form


class TwoBranchStem(nn.Module):
    """Two chains, concatenated.

    Args:
        first: The first chain.
        second: The second chain.
        conv: Convolution whose output's halves they take; default: both take the
            image.
    """

    def __init__(
        self, first: nn.Module, second: nn.Module, conv: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """Map the image (N, 3, H, W) to (N, C, H / 4, W / 4)."""
        a, b = (x, x) if self.conv is None else self.conv(x).chunk(2, dim=1)
        return torch.cat((self.first(a), self.second(b)), dim=1)


#: Maps a half of a stem's layers and the order of its input to their inference form.
DeployHalf = Callable[[Any, ChannelOrder, Form], tuple[nn.Module, ChannelOrder]]


def _deploy_two_branches(
    conv1: nn.Module, branches: Sequence[nn.Module], deploy: DeployHalf, form: Form
) -> tuple[nn.Module, ChannelOrder]:
    """The halves of the first convolution, together or each by itself, and the rest."""
    (conv,) = folded_chain(conv1)
    image = natural_order(conv.weight.shape[1])
    half = natural_order(len(conv.weight) // 2, form.aligned_size)
    both = concatenate([half, half])
    whole = dense_conv(conv, image, both) if form.splits_stem else None
    paths, orders = [], []
    for k, branch in enumerate(branches):
        part = unscaled(half.holding(half.channel + k * half.width).channel)
        path, order = deploy(branch, half, form)
        if whole is None:
            path = nn.Sequential(dense_conv(conv, image, part), path)
        paths.append(path)
        orders.append(order)
    order = concatenate(orders)
    width = order.width // 2
    shuffled = order.channel % width * 2 + order.channel // width
    return TwoBranchStem(paths[0], paths[1], whole), order.holding(shuffled)


def _deploy_convs(
    branch: Any, order: ChannelOrder, form: Form
) -> tuple[nn.Module, ChannelOrder]:
    return chain(folded_chain(branch), order, aligned_size=form.aligned_size)


def _deploy_dynamic(
    branch: Any, order: ChannelOrder, form: Form
) -> tuple[nn.Module, ChannelOrder]:
    layers: list[nn.Module] = []
    for part in branch:
        if isinstance(part, GlobalContextModeling):
            layers.append(GlobalContext(part, order, form))
        else:
            layer, order = dynamic_conv(part, order, form)
            layers.append(layer)
    return nn.Sequential(*layers), order


def deploy_stem(
    layers: Sequence[nn.Module], in_channels: int, form: Form
) -> tuple[nn.Module, ChannelOrder]:
    """Inference form of a stem, and the order of the first map.

    Args:
        layers: A stem of Lite-HRNet or Dite-HRNet, or convolutions with what follows
            them and, last, blocks.
        in_channels: Number of image channels.
        form: Form of the network.
    """
    *convs, last = layers
    if isinstance(last, LiteStem):
        second = nn.Sequential(last.expand_conv, last.depthwise_conv, last.linear_conv)
        branches = last.branch1, second
        return _deploy_two_branches(last.conv1, branches, _deploy_convs, form)
    if isinstance(last, DGCStem):
        branches = last.branch1, last.branch2
        return _deploy_two_branches(last.conv1, branches, _deploy_dynamic, form)
    image = natural_order(in_channels)
    first, order = _deploy_convs(nn.Sequential(*convs), image, form)
    blocks, order = deploy_branch(last, order, form)
    return nn.Sequential(first, blocks), order
