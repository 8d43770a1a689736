"""The inference form of a backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..layers.fusion import Fusion
from ..layers.iterative_head import IterativeHead
from ..layers.resolution_paths import Transition
from .blocks import deploy_blocks
from .channels import Layout, natural_layout
from .convs import chain
from .fold import folded_chain
from .forms import Form
from .fusion import deploy_fusion
from .resize import bilinear_to
from .stem import deploy_stem

Layouts = list[Layout]


class DeployedTransition(nn.ModuleList):
    """Give a stage its branches."""

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map the branch maps of one stage to those that the next one starts with."""
        lowest = len(xs) - 1
        return [layer(xs[min(i, lowest)]) for i, layer in enumerate(self)]


def deploy_transition(
    transition: Transition, layouts: Layouts, form: Form
) -> tuple[DeployedTransition, Layouts]:
    """Inference form of a transition, and the layouts of its results."""
    layers, results = [], []
    for i, layer in enumerate(transition):
        layout = layouts[min(i, len(layouts) - 1)]
        path: nn.Module = nn.Identity()
        if not isinstance(layer, nn.Identity):
            convs = folded_chain(layer)
            out = natural_layout(len(convs[-1].weight), form.multiple)
            path, layout = chain(convs, layout, out, form.multiple)
        layers.append(path)
        results.append(layout)
    return DeployedTransition(layers), results


class DeployedHead(nn.Module):
    """The iterative head."""

    def __init__(self, projects: Sequence[nn.Module], form: Form) -> None:
        super().__init__()
        self.projects = nn.ModuleList(projects)
        self.fixed = form.fixed

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map branch maps to as many result maps, highest resolution first."""
        results: list[Tensor] = []
        for x, project in zip(reversed(xs), self.projects):
            if results:
                x = x + bilinear_to(results[-1], x.shape[2:], self.fixed)
            results.append(project(x))
        return results[::-1]


def deploy_head(
    head: IterativeHead, layouts: Layouts, form: Form
) -> tuple[DeployedHead, Layouts]:
    """Inference form of the iterative head, and the layouts of its results."""
    projects, results = [], []
    for k, project in enumerate(head.projects):
        layout = layouts[len(layouts) - 1 - k]
        convs = folded_chain(project)
        last = k == len(head.projects) - 1
        # What comes out is added to the next branch; the last one goes out.
        out = (
            natural_layout(len(convs[-1].weight))
            if last
            else layouts[len(layouts) - 2 - k]
        )
        path, out = chain(convs, layout, out, form.multiple)
        projects.append(path)
        results.append(out)
    return DeployedHead(projects, form), results[::-1]


#: What maps branch maps to branch maps -> its inference form; all others are blocks.
PARTS: dict[type, Callable[..., tuple[nn.Module, Layouts]]] = {
    Transition: deploy_transition,
    Fusion: deploy_fusion,
    IterativeHead: deploy_head,
}


class Reorder(nn.Module):
    """Give a map out as the trained network does.

    Args:
        layout: Layout of the map.
    """

    positions: Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        positions = layout.positions
        self.register_buffer("positions", positions)
        self.factor = 1 / float(layout.scale[positions[0]])

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, padded, H, W) to (N, C, H, W)."""
        x = x.index_select(1, self.positions)
        return x if self.factor == 1 else x * self.factor


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
        self.stem, layout = deploy_stem(stem, in_channels, form)
        layouts = [layout]
        deployed: list[nn.Module] = []
        for part in parts:
            module, layouts = PARTS.get(type(part), deploy_blocks)(part, layouts, form)
            deployed.append(module)
        self.parts = nn.Sequential(*deployed)
        outs = [layouts[k] for k in self.positions]
        self.reorder = nn.ModuleList(
            nn.Identity() if out.in_order else Reorder(out) for out in outs
        )
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps that the backbone gives out.

        Args:
            x: Images of shape (N, in_channels, H, W).

        Raises:
            ValueError: If the form is for sides that are multiples of
                ``size_divisor`` and H or W is not.
        """
        if self.form.fixed and not torch.jit.is_tracing():
            divisor = self.size_divisor
            if x.shape[2] % divisor or x.shape[3] % divisor:
                raise ValueError(
                    "this form of the network is for image sides that are multiples "
                    f"of {divisor}, got {tuple(x.shape[2:])}; target='pytorch' takes "
                    "any"
                )
        if self.form.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        xs = self.parts([self.stem(x)])
        return tuple(reorder(xs[k]) for reorder, k in zip(self.reorder, self.positions))

    def lay_out(self, like: Tensor) -> DeployedNet:
        """Put the weights on a tensor's device, of its type, as the form has them."""
        self.to(like)
        if self.form.channels_last:
            for parameter in self.parameters():
                if parameter.dim() == 4:
                    parameter.data = parameter.contiguous(
                        memory_format=torch.channels_last
                    )
        return self
