"""The inference form of a backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.fusion import Fusion
from ..layers.iterative_head import IterativeHead, upsample_aligned
from ..layers.resolution_paths import Transition
from .blocks import deploy_blocks
from .channels import ChannelOrder, natural_order
from .convs import chain
from .fold import folded_chain
from .forms import Form
from .fusion import deploy_fusion
from .stem import deploy_stem

Orders = list[ChannelOrder]


def deploy_transition(
    transition: Transition, orders: Orders, form: Form
) -> tuple[Transition, Orders]:
    """Inference form of a transition, and the orders of its results."""
    layers: list[nn.Module] = []
    results = []
    for i, layer in enumerate(transition):
        order = orders[min(i, len(orders) - 1)]
        path: nn.Module = nn.Identity()
        if not isinstance(layer, nn.Identity):
            convs = folded_chain(layer)
            out = natural_order(len(convs[-1].weight), form.aligned_size)
            path, order = chain(convs, order, out, form.aligned_size)
        layers.append(path)
        results.append(order)
    return Transition(layers), results


def upsample_twice(x: Tensor, like: Tensor) -> Tensor:
    """Interpolate to twice the size, corners aligned."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)


def deploy_head(
    head: IterativeHead, orders: Orders, form: Form
) -> tuple[IterativeHead, Orders]:
    """Inference form of the iterative head, and the orders of its results."""
    lowest_first = orders[::-1]
    projects, results = [], []
    for k, project in enumerate(head.projects):
        convs = folded_chain(project)
        # What comes out is added to the next branch; the last one goes out.
        out = natural_order(len(convs[-1].weight))
        if k < len(head.projects) - 1:
            out = lowest_first[k + 1]
        path, out = chain(convs, lowest_first[k], out, form.aligned_size)
        projects.append(path)
        results.append(out)
    upsample = upsample_twice if form.even_sizes else upsample_aligned
    return IterativeHead(projects, upsample=upsample), results[::-1]


#: What maps branch maps to branch maps -> its inference form; all others are blocks.
PARTS: dict[type, Callable[..., tuple[nn.Module, Orders]]] = {
    Transition: deploy_transition,
    Fusion: deploy_fusion,
    IterativeHead: deploy_head,
}


def give_out(order: ChannelOrder) -> nn.Module:
    """Make the layer from a deployed map (N, padded, H, W) to the trained network's.

    It is a convolution with a matrix that picks channels, and not a selection of them:
    that one OpenVINO 2026.4.1 moves into the convolution of a head, the wrong way
    round.
    """
    if order.is_natural:
        return nn.Identity()
    positions = order.positions
    layer = nn.Conv2d(order.size, order.width, kernel_size=1, bias=False)
    weight = torch.zeros_like(layer.weight)
    weight[torch.arange(order.width), positions, 0, 0] = 1 / order.scale[positions].to(
        weight
    )
    layer.load_state_dict(dict(weight=weight))
    return layer


class DeployedNet(nn.Module):
    """The layers of a backbone, in the form in which a runtime computes them fastest.

    A backbone consists of it once it has been switched to deploy. It is for inference
    only, and gives the same maps as the trained layers, to rounding.

    Args:
        stem: Layers from the image to the first map, in the order in which they run.
        parts: Transitions, blocks, fusions and head, in the order in which they run.
        positions: Which of the last part's maps are given out.
        in_channels: Number of image channels.
        size_divisor: What image sides are multiples of where each branch has twice
            the size of the next.
        form: Form of the network.

    Raises:
        TypeError: If there are layers that cannot be deployed.
    """

    def __init__(
        self,
        stem: Sequence[nn.Module],
        parts: Sequence[nn.Module],
        positions: Sequence[int],
        in_channels: int,
        size_divisor: int,
        form: Form,
    ) -> None:
        super().__init__()
        self.form = form
        self.size_divisor = size_divisor
        self.positions = list(positions)
        self.stem, order = deploy_stem(stem, in_channels, form)
        orders = [order]
        deployed: list[nn.Module] = []
        for part in parts:
            module, orders = PARTS.get(type(part), deploy_blocks)(part, orders, form)
            deployed.append(module)
        self.parts = nn.Sequential(*deployed)
        self.reorder = nn.ModuleList(give_out(orders[k]) for k in self.positions)
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps that the backbone gives out.

        Args:
            x: Images of shape (N, in_channels, H, W).

        Raises:
            ValueError: If the form is for sides that are multiples of
                ``size_divisor`` and H or W is not.
        """
        if self.form.even_sizes and not torch.jit.is_tracing():
            divisor = self.size_divisor
            if x.shape[2] % divisor or x.shape[3] % divisor:
                raise ValueError(
                    "this form of the network is for image sides that are multiples "
                    f"of {divisor}, got {tuple(x.shape[2:])}; target='pytorch' takes "
                    "any"
                )
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
