"""Training steps, to be timed side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.latency import TensorMode, compile_network


class Mode(NamedTuple):
    """A way to run training steps.

    Attributes:
        precision: Type of mixed-precision arithmetic, or None for float32.
        channels_last: Whether images and weights are laid out channels-last.
        compiled: Whether ``torch.compile`` compiles the network.
    """

    precision: torch.dtype | None = None
    channels_last: bool = False
    compiled: bool = False


#: Name -> way to train. Mixed precision in float16 is for CUDA devices.
MODES: dict[str, Mode] = {
    "eager": Mode(),
    "channels-last": Mode(channels_last=True),
    "bf16": Mode(torch.bfloat16),
    "bf16-channels-last": Mode(torch.bfloat16, channels_last=True),
    "fp16": Mode(torch.float16),
    "fp16-channels-last": Mode(torch.float16, channels_last=True),
    "compile": Mode(compiled=True),
    "compile-channels-last": Mode(channels_last=True, compiled=True),
    "compile-bf16": Mode(torch.bfloat16, compiled=True),
    "compile-bf16-channels-last": Mode(torch.bfloat16, True, True),
    "compile-fp16": Mode(torch.float16, compiled=True),
    "compile-fp16-channels-last": Mode(torch.float16, True, True),
}


def check_mode(name: str, device: torch.device) -> Mode:
    """Look up a mode that the device can run.

    Raises:
        ValueError: If there is no such mode, or not on this device.
    """
    if name not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {name!r}")
    if MODES[name].precision is torch.float16 and device.type != "cuda":
        raise ValueError(f"mode {name!r} needs a CUDA device, got {device.type!r}")
    return MODES[name]


def _grad_scaler(enabled: bool) -> object:
    if hasattr(torch.amp, "GradScaler"):  # torch >= 2.3
        return torch.amp.GradScaler("cuda", enabled=enabled)
    return torch.cuda.amp.GradScaler(enabled=enabled)


def _outputs(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (result,) if isinstance(result, Tensor) else tuple(result)


def training_step(model: nn.Module, images: Tensor, mode: Mode) -> Callable[[], Tensor]:
    """Prepare steps of training: forward, squared error, backward, Adam.

    The heads' own losses are left out, as they read their targets on the CPU.

    Args:
        model: A pose estimator on the images' device; it is trained by the calls.
        images: Normalised images (N, 3, H, W).
        mode: How to run it.

    Returns:
        A function that takes one step, waits for the device and gives the loss.
    """
    model.train()
    images = images.clone()
    if mode.channels_last:
        model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    network = TensorMode(model)
    with torch.no_grad():
        targets = [torch.rand_like(x) for x in _outputs(network(images))]
    if mode.compiled:
        network = compile_network(network)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    scaler = _grad_scaler(mode.precision is torch.float16)

    def step() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(
            images.device.type, mode.precision, enabled=mode.precision is not None
        ):
            outputs = _outputs(network(images))
        loss = sum(F.mse_loss(x.float(), t) for x, t in zip(outputs, targets))
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if images.is_cuda:
            torch.cuda.synchronize(images.device)
        return loss.detach()

    return step
