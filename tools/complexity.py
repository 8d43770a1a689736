"""Print parameters, FLOPs and multiply-accumulates of a config's network, by part.

    python tools/complexity.py configs/pose/litehrnet_18_coco_256x192.py
    python tools/complexity.py CONFIG --input-size 384 288
    python tools/complexity.py --paper

The last prints every row of the papers' tables as measured here, and fails if one is
off; it is for a checkout.

The papers' counter, that of their released code, counts batch normalisation and ReLU
beside convolutions. It is no measure of work, but the papers' tables are made of it.
"""

from __future__ import annotations

import argparse
import functools
import math
import operator
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from mmlitehrnet.apis.model import config_input_size, load_config, network_from_config
from mmlitehrnet.models.layers.dynamic_conv import DynamicConv2d, KernelAttention
from mmlitehrnet.models.layers.fusion import Fusion
from mmlitehrnet.models.layers.residual import ResidualBlock

PAPER_TABLES = Path(__file__).with_name("paper_tables.py")
NOTE = """\
papers' MFLOPs: the papers' counter, in units of 2^20; functional calls count nothing,
and a module that is called twice counts once. MACs: all that convolutions and matrix
products execute, in millions."""
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


class Cost(NamedTuple):
    """What a network or a part of it costs on a batch of one.

    Attributes:
        params: Number of parameters.
        flops: Operations as the papers count them, see :func:`paper_flops`.
        macs: Multiply-accumulates that are executed.
    """

    params: int = 0
    flops: int = 0
    macs: int = 0


#: Name of a module inside the backbone -> part, first match; `\1` is the first group.
PARTS = (
    (r"(?:stem|conv\d|bn\d|norm\d|relu)(?:\.|$)", "stem"),
    (r"(stage\d+)\.\d+\.(?:layers|branches)\.", r"\1 blocks"),
    (r"(stage\d+)\.", r"\1 fusions"),
    (r"(\w+)", r"\1"),
)


def part_of(module: str) -> str:
    """Name the part of a network that a module belongs to.

    Args:
        module: Name of the module, as ``backbone.stage0.1.fuse_layers.1.0``.

    Returns:
        'stem', 'transition0', 'stage0 blocks', 'stage0 fusions', 'head_layer' and so
        on for modules of the backbone; else the first word of the name.
    """
    top, _, inside = module.partition(".")
    if top != "backbone":
        return top
    for pattern, part in PARTS:
        match = re.match(pattern, inside)
        if match:
            return match.expand(part)
    return top


def measure(model: nn.Module, run: Callable[[], object]) -> dict[str, Cost]:
    """Measure a network part by part.

    Args:
        model: A network whose backbone is called ``backbone``.
        run: Calls it on a batch of one.

    Returns:
        Part (see :func:`part_of`) to cost, in the order in which they are built. Parts
        that only training uses cost parameters, but no operations.
    """
    counts = [count_parameters(model), paper_flops(model, run)]
    counts.append(multiply_accumulates(model, run))
    parts: dict[str, Cost] = {}
    for name, _ in model.named_modules():
        cost = Cost(*(count.get(name, 0) for count in counts))
        if any(cost):
            part = part_of(name)
            parts[part] = Cost(*map(operator.add, parts.get(part, Cost()), cost))
    return parts


def total(parts: dict[str, Cost]) -> Cost:
    """Sum of the costs of all parts."""
    return Cost(*map(sum, zip(*parts.values())))


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", help="pose or segmentation config")
    parser.add_argument(
        "--input-size",
        nargs=2,
        type=int,
        metavar=("H", "W"),
        help="height and width of the image; default: the config's",
    )
    parser.add_argument("--paper", action="store_true", help="the papers' tables")
    args = parser.parse_args()
    if args.paper == (args.config is not None):
        parser.error("give either a config or --paper")
    if args.paper and args.input_size:
        parser.error("--paper has its own input sizes")
    if args.input_size and min(args.input_size) < 1:
        parser.error("--input-size needs two positive numbers")
    if args.paper and not PAPER_TABLES.exists():
        parser.error(f"--paper is for a checkout: there is no {PAPER_TABLES}")
    return args


def print_table(header: list[str], rows: Iterable[list[str]]) -> None:
    """Print a table in Markdown, without its empty columns.

    The first column is set to the left, others to the right.
    """
    columns = [column for column in zip(header, *rows) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    rule = ["-" * (w - 1) + ":" for w in widths]
    rule[0] = "-" * widths[0]
    lines = list(zip(*columns))
    for row in (lines[0], rule, *lines[1:]):
        first, *others = (
            cell.ljust(w) if k == 0 else cell.rjust(w)
            for k, (cell, w) in enumerate(zip(row, widths))
        )
        print("| " + " | ".join((first, *others)) + " |", flush=True)


def show_config(path: str, size: list[int] | None) -> None:
    """Print what the network of a config costs, part by part."""
    cfg = load_config(path)
    height, width = size or config_input_size(cfg)
    network = network_from_config(cfg)
    parts = measure(network, call_on(network, (height, width)))

    def row(name: str, cost: Cost) -> list[str]:
        return [
            name,
            f"{cost.params:,}",
            f"{cost.flops / MEBI:.2f}",
            f"{cost.macs / 1e6:.2f}",
        ]

    print(f"{path}, one image of {height}x{width}\n")
    print_table(
        ["part", "parameters", "papers' MFLOPs", "million MACs"],
        [row(*part) for part in parts.items()] + [row("total", total(parts))],
    )
    print(f"\n{NOTE}")


def show_paper() -> bool:
    """Print the papers' tables as measured here; tell whether all rows agree."""
    import paper_tables  # The wheel has none.

    titles = {
        "Networks of the two papers": paper_tables.NETWORKS,
        "Groups and kernels of Dite-HRNet-18": paper_tables.DITE_CELLS,
    }
    off = []
    for title, networks in titles.items():
        results = [result for row in networks for result in paper_tables.compare(row)]
        print(f"{title}: MFLOPs as the papers count them (2^20 operations)\n")
        print_table(paper_tables.HEADER, (result.cells for result in results))
        print()
        off += [result for result in results if not result.agrees]
    for result in off:
        print(
            f"off: {result.row.name} at {result.setting}: {result.params:,} parameters "
            f"(released {result.row.params:,}), {result.flops:.3f} MFLOPs"
        )
    return not off


def main() -> int:
    """Run the command line.

    Returns:
        0, 1 where a row of the papers is off, 2 where an argument is wrong.
    """
    args = parse_args()
    if args.paper:
        return 0 if show_paper() else 1
    try:
        show_config(args.config, args.input_size)
    except ValueError as error:
        print(f"complexity: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
