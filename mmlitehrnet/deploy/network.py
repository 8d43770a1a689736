"""The inference form of a backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..models.backbones.arguments import check_image
from ..models.backbones.high_resolution import HighResolutionModule, HighResolutionNet
from ..models.backbones.small_hrnet import SmallHRNet
from ..models.layers.iterative_head import IterativeHead
from ..models.layers.resolution_paths import Transition
from ..models.layers.stem import DGCStem, LiteStem
from .blocks import deploy_blocks, deploy_branch
from .channels import Layout, natural_layout
from .convs import chain
from .fold import folded_chain
from .forms import Form, find_form
from .fusion import DeployedFusion
from .resize import bilinear_to
from .stem import deploy_dgc_stem, deploy_lite_stem

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


class Reorder(nn.Module):
    """Give a map out as the trained network does.

    Args:
        layout: Layout of the map.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        positions = layout.positions
        self.register_buffer("positions", positions)
        self.factor = 1 / float(layout.scale[positions[0]])

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, padded, H, W) to (N, C, H, W)."""
        x = x.index_select(1, self.positions)
        return x if self.factor == 1 else x * self.factor


def side_multiple(net: HighResolutionNet) -> int:
    """What image sides are multiples of where each branch has twice the next's.

    Args:
        net: A backbone of this package.
    """
    branches = max(len(getattr(net, transition)) for transition, _ in net.stage_names)
    return 4 * 2 ** (branches - 1)


class DeployedNet(nn.Module):
    """A trained backbone in the form in which a runtime computes it fastest.

    It maps images to the same maps as the backbone that it was made from, to
    rounding, and is for inference only. Made by
    :func:`~mmlitehrnet.deploy.switch_to_deploy`.

    Args:
        net: A backbone of this package.
        form: Form of the network.
    """

    def __init__(self, net: HighResolutionNet, form: Form) -> None:
        super().__init__()
        self.form = form
        self.in_channels = net.in_channels
        self.side_multiple = side_multiple(net)
        self.out_indices = net.out_indices
        self.out_channels = net.out_channels
        self.strides = net.strides
        self.positions = list(net._positions)
        self.stem, layout = _deploy_stem(net, form)
        layouts = [layout]
        stages: list[nn.Module] = []
        for transition, stage in net.stage_names:
            module, layouts = deploy_transition(getattr(net, transition), layouts, form)
            stages.append(module)
            for part in getattr(net, stage):
                modules, layouts = _deploy_module(part, layouts, form)
                stages.extend(modules)
        if net.with_head:
            module, layouts = deploy_head(net.head_layer, layouts, form)
            stages.append(module)
        self.stages = nn.Sequential(*stages)
        outs = [layouts[k] for k in self.positions]
        self.reorder = nn.ModuleList(
            nn.Identity() if out.in_order else Reorder(out) for out in outs
        )
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps named by ``out_indices``.

        Args:
            x: Images of shape (N, in_channels, H, W).

        Returns:
            Maps of shapes (N, ``out_channels[k]``, H / ``strides[k]``,
            W / ``strides[k]``), rounded up.

        Raises:
            TypeError: If ``x`` is not a floating-point tensor.
            ValueError: If it has another rank or number of channels, or the form is
                for sides that are multiples of 32 (of another power of two for other
                than four branches) and H or W is not.
        """
        check_image(x, self.in_channels)
        if self.form.fixed and not torch.jit.is_tracing():
            multiple = self.side_multiple
            if x.shape[2] % multiple or x.shape[3] % multiple:
                raise ValueError(
                    "this form of the network is for image sides that are multiples "
                    f"of {multiple}, got {tuple(x.shape[2:])}; target='pytorch' takes "
                    "any"
                )
        if self.form.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        xs = self.stages([self.stem(x)])
        return tuple(reorder(xs[k]) for reorder, k in zip(self.reorder, self.positions))


def _deploy_stem(net: HighResolutionNet, form: Form) -> tuple[nn.Module, Layout]:
    if isinstance(net, SmallHRNet):
        convs = nn.Sequential(
            net.conv1, net.bn1, nn.ReLU(), net.conv2, net.bn2, nn.ReLU()
        )
        image = natural_layout(net.in_channels)
        stem, layout = chain(folded_chain(convs), image, multiple=form.multiple)
        blocks, layout = deploy_branch(net.layer1, layout, form)
        return nn.Sequential(stem, blocks), layout
    stems = {LiteStem: deploy_lite_stem, DGCStem: deploy_dgc_stem}
    return stems[type(net.stem)](net.stem, form)


def _deploy_module(
    module: HighResolutionModule, layouts: Layouts, form: Form
) -> tuple[list[nn.Module], Layouts]:
    blocks, layouts = deploy_blocks(getattr(module, module.blocks_name), layouts, form)
    if not hasattr(module, "fuse_layers"):
        return [blocks], layouts
    fusion = DeployedFusion(module.fuse_layers, layouts, form)
    return [blocks, fusion], fusion.layouts


@torch.no_grad()
def switch_to_deploy(
    net: HighResolutionNet,
    target: str = "pytorch",
    form: Form | None = None,
    batch_size: int = 1,
) -> DeployedNet:
    """Turn a trained backbone into the equivalent network that is fast.

    The trained network stays as it is.

    Args:
        net: A backbone of this package.
        target: Runtime that it is for: 'pytorch', 'onnxruntime' or 'openvino'.
        form: A form of its own in the place of a target's.
        batch_size: Number of images that it is made for. It takes any other number
            too; Dite-HRNet has another form for several than for one.

    Returns:
        The network in evaluation mode, on the device and of the type of ``net``.

    Raises:
        TypeError: If ``net`` is no backbone of this package, or has layers that
            cannot be deployed, or another argument is of the wrong type.
        ValueError: If there is no such target, or ``batch_size`` is below 1.
    """
    if not isinstance(net, HighResolutionNet):
        raise TypeError(f"net must be a backbone of mmlitehrnet, got {type(net)}")
    if form is not None and not isinstance(form, Form):
        raise TypeError(f"form must be a Form, got {form!r}; runtimes are targets")
    form = find_form(target, net, batch_size) if form is None else form
    parameter = next(net.parameters())
    deployed = DeployedNet(net, form).to(parameter)
    if form.channels_last:
        for parameter in deployed.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.contiguous(memory_format=torch.channels_last)
    return deployed
