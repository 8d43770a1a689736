"""Measure training steps side by side: these networks and MMPose's LiteHRNet.

    python -m benchmarks.training --batches 64 --modes eager compile --out work_dirs/t
    python -m benchmarks.training --batches 64 --profile
    python -m benchmarks.training --task seg --batches 2 --modes eager with-cp

All networks in all modes take their steps in turn, in one process. A step is forward,
loss, backward and Adam on images that are on the device already. The operators of the
forward and the backward pass are counted, too, each of which launches a kernel or a few
on a GPU. Written are a table and ``training.json``. With ``--profile`` it is told where
the time goes instead, operator by operator.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.command_line import Page, at_least, image_size, new_parser
from benchmarks.networks import TASKS, TensorMode, build
from benchmarks.profiling import count_operators, operator_table
from benchmarks.runtimes import compile_network
from benchmarks.timing import Call, interleave, machine, peak_memory


class Mode(NamedTuple):
    """A way to run training steps.

    Attributes:
        precision: Type of mixed-precision arithmetic, or None for float32.
        channels_last: Whether images and weights are laid out channels-last.
        compiled: Whether ``torch.compile`` compiles the network.
        with_cp: Whether blocks that can keep only their input, and compute the rest
            again in the backward pass.
    """

    precision: torch.dtype | None = None
    channels_last: bool = False
    compiled: bool = False
    with_cp: bool = False


_PRECISIONS = {"": None, "bf16": torch.bfloat16, "fp16": torch.float16}

#: Name, such as ``compile-bf16-channels-last`` -> way to train. Mixed precision in
#: float16 is for CUDA devices.
MODES: dict[str, Mode] = {
    "-".join(filter(None, (compiled, precision, layout, saving))) or "eager": Mode(
        _PRECISIONS[precision], bool(layout), bool(compiled), bool(saving)
    )
    for compiled in ("", "compile")
    for precision in _PRECISIONS
    for layout in ("", "channels-last")
    for saving in ("", "with-cp")
}


def grad_scaler(enabled: bool) -> Any:
    """Make a scaler of losses for float16, or one that does nothing."""
    if hasattr(torch.amp, "GradScaler"):  # torch >= 2.3
        return torch.amp.GradScaler("cuda", enabled=enabled)
    return torch.cuda.amp.GradScaler(enabled=enabled)


class SquaredErrors(nn.Module):
    """A pose estimator as a map from images to a loss, for random targets.

    The heads' own losses are left out, as they read their targets on the CPU.
    """

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        super().__init__()
        self.network = TensorMode(model)
        with torch.no_grad():
            outputs = _outputs(self.network(images))
        self.targets = [torch.rand_like(x) for x in outputs]

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, H, W) to the sum of the outputs' mean squared errors."""
        outputs = zip(_outputs(self.network(x)), self.targets)
        return torch.stack([F.mse_loss(y.float(), t) for y, t in outputs]).sum()


class Losses(nn.Module):
    """A segmentor as a map from images to the sum of its losses, for random labels."""

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        from mmengine.structures import PixelData
        from mmseg.structures import SegDataSample

        super().__init__()
        self.model = model
        shape, device = (1, *images.shape[2:]), images.device
        self.samples = []
        for _ in images:
            labels = torch.randint(model.decode_head.num_classes, shape, device=device)
            edges = torch.randint(2, shape, device=device)  # PIDNet learns them, too.
            sample = SegDataSample()
            sample.gt_sem_seg = PixelData(data=labels)
            sample.gt_edge_map = PixelData(data=edges)
            self.samples.append(sample)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, H, W) to a loss."""
        return self.model.parse_losses(self.model.loss(x, self.samples))[0]


def training_step(
    model: nn.Module, images: Tensor, mode: Mode, task: str = "pose"
) -> Callable[[], Tensor]:
    """Prepare steps of training: forward, loss, backward, Adam.

    Args:
        model: A network on the images' device; it is trained by the calls.
        images: Normalised images (N, 3, H, W).
        mode: How to run it.
        task: What the network is for.

    Returns:
        A function that takes one step, waits for the device and gives the loss.
    """
    model.train()
    images = images.clone()
    if mode.channels_last:
        model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    for module in model.modules():
        if mode.with_cp and hasattr(module, "with_cp"):
            module.with_cp = True
    network = (Losses if task == "seg" else SquaredErrors)(model, images)
    run = compile_network(network) if mode.compiled else network
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    scaler = grad_scaler(mode.precision is torch.float16)

    def step() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(
            images.device.type, mode.precision, enabled=mode.precision is not None
        ):
            loss = run(images)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if images.is_cuda:
            torch.cuda.synchronize(images.device)
        return loss.detach()

    return step


def _outputs(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (result,) if isinstance(result, Tensor) else tuple(result)


#: Titles of the table's columns, and formats of their cells.
COLUMNS = {
    "batch": "{batch}",
    "mode": "{mode}",
    "network": "{network}",
    "median ms": "{timing.median:.1f}",
    "quartiles": "{timing.low:.1f}-{timing.high:.1f}",
    "images/s": "{rate:.1f}",
    "{baseline}, same mode / this": "{ratio:.2f}",
    "{baseline}, eager / this": "{eager_ratio:.2f}",
    "MiB beyond weights and optimizer": "{memory:.0f}",
    "images in 8, 12, 24 GiB": "{fitting}",
    "operators, forward and backward": "{operators:.0f}",
}


def steps(
    args: argparse.Namespace, batch: int, page: Page
) -> Iterator[tuple[str, str, Call]]:
    """Mode, network and a step of it that was taken once, for all that can be run."""
    images = torch.randn(batch, 3, *args.size, device=args.device)
    for mode in args.modes:
        for name in args.networks:
            torch.manual_seed(0)
            model = build(name, args.size, args.task).to(args.device)
            try:
                step = training_step(model, images, MODES[mode], args.task)
                step()  # Compiles, and makes the optimizer's state.
            except Exception as error:
                page.fail(f"{mode}, {name}, batch {batch}", error)
            else:
                yield mode, name, step


def passes_operators(network: nn.Module, size: tuple[int, int]) -> int:
    """Count the operators of a forward and a backward pass, not compiled.

    They are those that a GPU is asked for: shapes alone are computed, on PyTorch's meta
    device. On the CPU, backward passes of depthwise convolutions take a few more.

    Args:
        network: Maps images (N, 3, H, W) to a tensor or several; it is left without
            weights.
        size: Height and width of the images.
    """
    network = network.train().to("meta")
    images = torch.empty(2, 3, *size, device="meta")
    return count_operators(
        lambda: sum(x.sum() for x in _outputs(network(images))).backward()
    )


def measure_all(args: argparse.Namespace, facts: dict[str, object]) -> Page:
    """Measure all networks in all modes, interleaved, and write a table."""
    facts["repetitions"] = args.repetitions
    baseline = TASKS[args.task].baseline
    columns = {key.format(baseline=baseline): cell for key, cell in COLUMNS.items()}
    page = Page(args.out, "training", facts, columns)
    operators, sizes = {}, {}
    for name in args.networks:
        network = TensorMode(build(name, args.size, args.task))
        # Of weights and Adam's two averages; gradients are made in the step.
        sizes[name] = 12 * sum(p.numel() for p in network.parameters()) / 2**20
        operators[name] = passes_operators(network, args.size)
    for batch in args.batches:
        calls = {(mode, name): step for mode, name, step in steps(args, batch, page)}
        memory = {key: peak_memory(step, args.device) for key, step in calls.items()}
        timings = interleave(calls, args.repetitions, args.warmup)
        for (mode, name), timing in timings.items():
            bases = [timings.get((m, baseline)) for m in (mode, "eager")]
            ratios = [base.median / timing.median if base else None for base in bases]
            page.add_row(
                timing,
                mode=mode,
                network=name,
                batch=batch,
                rate=1e3 * batch / timing.median,
                ratio=ratios[0],
                eager_ratio=ratios[1],
                memory=memory[mode, name],
                fitting=", ".join(
                    f"{batch * (gib * 1024 - sizes[name]) // memory[mode, name]:.0f}"
                    for gib in (8, 12, 24)
                ),
                operators=operators[name],
            )
    return page


def profile_all(args: argparse.Namespace, facts: dict[str, object]) -> Page:
    """Write a table of operators for each network in each mode."""
    page = Page(args.out, "profile", facts)
    for batch in args.batches:
        for mode, name, step in steps(args, batch, page):
            table = operator_table(step, args.device, args.rows)
            page.add(f"### {name}, {mode}, batch {batch}", "", table, "")
    return page


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser, task = new_parser(__doc__, arguments, threads=torch.get_num_threads())
    parser.set_defaults(networks=task.trained)
    cuda = torch.cuda.is_available()
    add = parser.add_argument
    add("--device", choices=["cpu", "cuda"], default="cuda" if cuda else "cpu")
    add("--batches", nargs="+", type=at_least(2), default=[task.training_batch])
    add("--size", type=image_size, default=task.sizes[0], metavar="HEIGHTxWIDTH")
    add("--modes", nargs="+", choices=list(MODES), default=["eager", "channels-last"])
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not cuda:
        parser.error("--device cuda: PyTorch finds no CUDA device")
    for mode in args.modes:
        if MODES[mode].precision is torch.float16 and args.device != "cuda":
            parser.error(f"--modes {mode}: float16 needs a CUDA device")
    return args


def main(arguments: list[str] | None = None) -> int:
    """Measure or profile, print and write; return 1 if something cannot be run."""
    args = parse_args(arguments)
    torch.set_num_threads(args.threads)
    facts = {
        **machine(),
        "task": args.task,
        "device": args.device,
        "threads": args.threads,
        "size": "x".join(map(str, args.size)),
    }
    page = (profile_all if args.profile else measure_all)(args, facts)
    return int(bool(page.numbers["failures"]))


if __name__ == "__main__":
    sys.exit(main())
