"""How far an exported file is from the network in PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn


class Difference(NamedTuple):
    """How far the exported file is from the trained network in PyTorch.

    Of several maps each value is the largest.

    Attributes:
        mean: Mean absolute difference in a map.
        largest: Largest absolute difference.
        scale: Largest absolute value of PyTorch's output.
        relative: Largest difference in a map relative to the largest value in it.
        noise: Largest difference that rounding makes in PyTorch, between the network
            and itself in double precision; relative likewise.
    """

    mean: float
    largest: float
    scale: float
    relative: float
    noise: float = 0.0

    def within(self, tolerance: float) -> bool:
        """Whether file and network are equal within a tolerance, or within rounding.

        Rounding grows in some networks that have not been trained. A runtime adds in
        another order, so 32 times what it makes in PyTorch passes, up to 100 times
        the tolerance: where it makes more, no comparison can tell.

        Args:
            tolerance: Largest relative difference; NaN is larger than any.
        """
        rounding = min(32 * self.noise, 100 * tolerance)
        return self.relative <= max(tolerance, rounding)

    def worse(self, other: Difference) -> Difference:
        """The larger value of each; NaN is larger than any."""
        return Difference(*map(float, np.maximum(self, other)))


def random_images(shape: Sequence[int]) -> Tensor:
    """The images (N, C, H, W) that a file and its network are compared on."""
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(0))


def open_file(path: str | Path) -> onnxruntime.InferenceSession:
    """Open an ONNX file in ONNX Runtime, on the CPU."""
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def compare(
    network: nn.Module, path: str | Path, batches: Sequence[Tensor]
) -> Difference:
    """Compare a network in PyTorch with an ONNX file in ONNX Runtime.

    Args:
        network: Maps images to a tuple of maps.
        path: The file.
        batches: Images to compare them on.
    """
    session = open_file(path)
    (given,) = session.get_inputs()
    return compare_outputs(
        network, lambda x: session.run(None, {given.name: x}), batches
    )


def compare_outputs(
    network: nn.Module,
    run: Callable[[np.ndarray], Sequence[np.ndarray]],
    batches: Sequence[Tensor],
) -> Difference:
    """Compare a network in PyTorch with what a runtime computes.

    Args:
        network: Maps images to a tuple of maps.
        run: The same, by the runtime.
        batches: Images to compare them on.
    """
    double, difference = copy.deepcopy(network).double(), Difference(0, 0, 0, 0)
    for images in batches:
        with torch.no_grad():
            expected, exact = network(images), double(images.double())
        found = run(images.cpu().numpy())
        for given, like, true in zip(found, expected, exact):
            if given.shape != like.shape:
                raise ValueError(
                    f"the file gives maps of {given.shape}, expected {(*like.shape,)}"
                )
            # Kept in double precision: NaN must not pass as equal.
            away = np.abs(given - like.cpu().double().numpy())
            scale = like.abs().max().item()
            divisor = max(scale, np.finfo(np.float32).tiny)
            rounding = (like.double() - true).abs().max().item()
            largest = away.max()
            of_map = (away.mean(), largest, scale, largest / divisor)
            difference = difference.worse(Difference(*of_map, rounding / divisor))
    return difference
