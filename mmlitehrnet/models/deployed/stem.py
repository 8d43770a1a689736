"""The inference form of the stems."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..layers.context_modeling import GlobalContextModeling
from ..layers.stem import DGCStem, LiteStem
from .blocks import deploy_branch
from .channels import NONE, Layout, concatenate, natural_layout, plain
from .context import GlobalContext
from .convs import chain, dense_conv
from .dynamic import dynamic_conv
from .fold import folded_chain
from .forms import Form


def _shuffled(layout: Layout, groups: int = 2) -> Layout:
    """Layout of a map after a shuffle of its channels."""
    width = layout.width // groups
    index = (layout.index % width) * groups + layout.index // width
    return layout._replace(index=torch.where(layout.index == NONE, NONE, index))


class TwoBranchStem(nn.Module):
    """Two chains on the image, concatenated."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, x: Tensor) -> Tensor:
        """Map the image (N, 3, H, W) to (N, C, H / 4, W / 4)."""
        return torch.cat((self.first(x), self.second(x)), dim=1)


def _first_convs(stem: nn.Module, form: Form) -> tuple[list[nn.Module], Layout]:
    """The first convolution as one for each half of its channels."""
    (first,) = folded_chain(stem.conv1)
    half = len(first.weight) // 2
    image = natural_layout(first.weight.shape[1])
    layout = natural_layout(half, form.multiple)
    parts = [
        plain(torch.where(layout.index == NONE, NONE, layout.index + k * half))
        for k in range(2)
    ]
    return [dense_conv(first, image, part) for part in parts], layout


def deploy_lite_stem(stem: LiteStem, form: Form) -> tuple[nn.Module, Layout]:
    """Each half from the image on."""
    firsts, layout = _first_convs(stem, form)
    second = nn.Sequential(stem.expand_conv, stem.depthwise_conv, stem.linear_conv)
    branches, layouts = [], []
    for first, branch in zip(firsts, (stem.branch1, second)):
        path, out = chain(folded_chain(branch), layout, multiple=form.multiple)
        branches.append(nn.Sequential(first, path))
        layouts.append(out)
    joint = concatenate(layouts, [out.width for out in layouts])
    return TwoBranchStem(*branches), _shuffled(joint)


def deploy_dgc_stem(stem: DGCStem, form: Form) -> tuple[nn.Module, Layout]:
    """Each half from the image on."""
    firsts, layout = _first_convs(stem, form)
    branches = []
    for first, branch in zip(firsts, (stem.branch1, stem.branch2)):
        layers: list[nn.Module] = [first]
        at = layout
        for part in branch:
            if isinstance(part, GlobalContextModeling):
                layers.append(GlobalContext(part, at, form))
            else:
                layers.append(dynamic_conv(part, at, form))
                at = natural_layout(part.bn.num_features, form.multiple)
        branches.append(nn.Sequential(*layers))
    joint = concatenate([layout] * 2, [layout.width] * 2)
    return TwoBranchStem(*branches), _shuffled(joint)


STEMS = {LiteStem: deploy_lite_stem, DGCStem: deploy_dgc_stem}


def deploy_stem(
    layers: Sequence[nn.Module], in_channels: int, form: Form
) -> tuple[nn.Module, Layout]:
    """Inference form of a stem, and the layout of the first map.

    Args:
        layers: A stem of Lite-HRNet or Dite-HRNet, or convolutions with what follows
            them and, last, blocks.
        in_channels: Number of image channels.
        form: Form of the network.
    """
    *convs, last = layers
    if type(last) in STEMS:
        return STEMS[type(last)](last, form)
    image = natural_layout(in_channels)
    stem, layout = chain(
        folded_chain(nn.Sequential(*convs)), image, multiple=form.multiple
    )
    blocks, layout = deploy_branch(last, layout, form)
    return nn.Sequential(stem, blocks), layout
