"""Counters of parameters, of FLOPs as the papers count them, of what is executed.

The papers' counter, that of their released code, visits each leaf module once and sees
modules only: it counts batch normalisation and ReLU beside convolutions. It is no
measure of work, but the papers' tables are made of it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from mmlitehrnet.models.layers.dynamic_conv import DynamicConv2d, KernelAttention
from mmlitehrnet.models.layers.fusion import Fusion
from mmlitehrnet.models.layers.residual import ResidualBlock

#: The papers print FLOPs divided by this as "M".
MEBI = 2**20


def _convolution(module: nn.Conv2d, x: Tensor, y: Tensor) -> int:
    bias = 0 if module.bias is None else module.bias.numel()
    return (module.weight.numel() + bias) * y.shape[2:].numel()


def _batch_norm(module: _BatchNorm, x: Tensor, y: Tensor) -> int:
    return x.numel() * (2 if module.affine else 1)


def _elementwise(module: nn.Module, x: Tensor, y: Tensor) -> int:
    return x.numel()


def _pooling(x: Tensor, cells: Sequence[int]) -> int:
    extents = [
        # One more than each window has: the counter's quirk.
        sum(math.ceil((i + 1) * size / n) - i * size // n + 1 for i in range(n))
        for size, n in zip(x.shape[2:], cells)
    ]
    return x.shape[1] * math.prod(extents)


def _upsampling(module: nn.Module, x: Tensor, y: Tensor) -> int:
    # One operation for all channels of a position: another quirk.
    return y.shape[-2:].numel()


def _fusion(module: Fusion, xs: list[Tensor], ys: list[Tensor]) -> int:
    """Modules of the released fusions that are function calls in ours.

    Each upsampling path ends with an ``nn.Upsample``; one ``nn.ReLU`` serves all
    branches and so counts for the last of them only.
    """
    computed = [i for i, row in enumerate(module.rows()) if len(row) > 0]
    upsampled = sum((len(xs) - 1 - i) * xs[i].shape[-2:].numel() for i in computed)
    return upsampled + xs[computed[-1]].numel()


def _residual_block(module: ResidualBlock, x: Tensor, y: Tensor) -> int:
    """One ``nn.ReLU`` after each convolution, which counts for the last of them."""
    return y.numel()


def _dynamic_convolution(module: DynamicConv2d, x: Tensor, y: Tensor) -> int:
    """One convolution without bias; mixing its kernel does not count."""
    return module.aggregation.weight[0].numel() * y.shape[2:].numel()


def _kernel_attention(module: KernelAttention, x: Tensor, y: Tensor) -> int:
    """The pooling and the ReLU, which are modules in the released code."""
    return _pooling(x, (1, 1)) + module.conv1.out_channels


#: What the papers count for a module: type -> operations, given input and output. Of
#: two that match, the first holds.
PAPER_COUNTERS: dict[type[nn.Module], Callable[..., int]] = {
    nn.Conv2d: _convolution,
    _BatchNorm: _batch_norm,
    **dict.fromkeys((nn.ReLU, nn.ReLU6, nn.PReLU, nn.LeakyReLU, nn.ELU), _elementwise),
    nn.AdaptiveAvgPool2d: lambda module, x, y: _pooling(x, y.shape[2:]),
    nn.Upsample: _upsampling,
    Fusion: _fusion,
    ResidualBlock: _residual_block,
    DynamicConv2d: _dynamic_convolution,
    KernelAttention: _kernel_attention,
}


def call_on(network: nn.Module, size: tuple[int, int]) -> Callable[[], object]:
    """Prepare a call of a network on one empty image.

    Args:
        network: A backbone, a network that has one, or the model of a config.
        size: Height and width of the image in pixels.

    Returns:
        A function that runs the network, heads included.
    """
    backbone = getattr(network, "backbone", network)
    image = torch.zeros(1, getattr(backbone, "in_channels", 3), *size)
    if isinstance(network, BaseModel):
        return lambda: network(image, None, mode="tensor")
    return lambda: network(image)


def _run(model: nn.Module, run: Callable[[], object]) -> None:
    """Call ``run`` with ``model`` in evaluation mode, and put the modes back."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            run()
    finally:
        for module, mode in training.items():
            module.training = mode


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Count the parameters that each module holds by itself.

    Args:
        model: A network.

    Returns:
        Module name to number of parameters; a shared parameter counts where it
        comes first.
    """
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        owner = name.rpartition(".")[0]
        counts[owner] = counts.get(owner, 0) + parameter.numel()
    return counts


def paper_flops(model: nn.Module, run: Callable[[], object]) -> dict[str, int]:
    """Count operations as the papers do.

    Args:
        model: A network.
        run: Calls it on a batch of one.

    Returns:
        Module name to operations, for the modules that count. ``MEBI`` of them are
        the papers' "M".
    """
    flops: dict[str, int] = {}

    def count(
        name: str, counter: Callable, module: nn.Module, xs: tuple, y: Tensor
    ) -> None:
        flops[name] = counter(module, xs[0], y)

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            for kind, counter in PAPER_COUNTERS.items():
                if isinstance(module, kind):
                    hook = functools.partial(count, name, counter)
                    hooks.enter_context(module.register_forward_hook(hook))
                    break
        _run(model, run)
    return flops


def multiply_accumulates(model: nn.Module, run: Callable[[], object]) -> dict[str, int]:
    """Count the multiply-accumulates that convolutions and matrix products execute.

    Every call counts, whether a module's or a function's, and the kernels that dynamic
    convolutions mix; what is done element by element does not.

    Args:
        model: A network.
        run: Calls it.

    Returns:
        Module name to the multiply-accumulates that it executes itself, its submodules
        not counted.
    """
    macs: dict[str, int] = {}
    counter = FlopCounterMode(display=False)
    # For each module that is running: its count at the start, its submodules' part.
    running: list[list[int]] = [[0, 0]]

    def start(module: nn.Module, inputs: tuple) -> None:
        running.append([counter.get_total_flops(), 0])

    def end(name: str, module: nn.Module, inputs: tuple, output: object) -> None:
        before, inner = running.pop()
        total = counter.get_total_flops() - before
        running[-1][1] += total
        if total > inner:
            macs[name] = macs.get(name, 0) + (total - inner) // 2

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            hooks.enter_context(module.register_forward_pre_hook(start))
            hook = functools.partial(end, name)
            hooks.enter_context(module.register_forward_hook(hook))
        with counter:
            _run(model, run)
    return macs
