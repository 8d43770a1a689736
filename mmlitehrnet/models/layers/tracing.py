"""What lets PyTorch's tracers (torch.fx, TorchScript, ONNX, Dynamo) take the layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# torch.compiler.is_compiling came after torch 2.1.
if hasattr(torch.compiler, "is_compiling"):
    is_compiling = torch.compiler.is_compiling
else:
    is_compiling = torch._utils.is_compiling


def size_of(x: Tensor) -> tuple[int, int]:
    """Height and width of a map (N, C, H, W), constants where it is traced.

    The TorchScript tracer and the ONNX exporter built on it take sizes for values
    that may vary, and then find that adaptive pooling needs constants.
    """
    height, width = x.shape[2:]
    return (int(height), int(width)) if torch.jit.is_tracing() else (height, width)


def view_size(x: Tensor) -> Sequence[int]:
    """Height and width to view a map (N, C, H, W) in.

    Constants in ONNX files; in TorchScript they go with the map, which may be of
    another size than it was traced at.
    """
    return size_of(x) if torch.onnx.is_in_onnx_export() else x.shape[2:]


def average_pool(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Average a map (N, C, H, W) adaptively to a height and width.

    Where it is traced and the windows are equal, they are given by their sides: the
    exporter would need to know the map's size after all operators before.
    """
    height, width = size_of(x)
    if torch.jit.is_tracing() and height % size[0] == 0 and width % size[1] == 0:
        return F.avg_pool2d(x, (height // size[0], width // size[1]))
    return F.adaptive_avg_pool2d(x, size)


def upsample(
    x: Tensor, size: tuple[int, int], mode: str = "nearest", **options: bool
) -> Tensor:
    """Interpolate a map (N, C, h, w) to a height and width.

    Where it is traced and the size is a multiple of the map's, it is given by the
    factors: a file of it then takes images of other sizes, too.
    """
    height, width = size_of(x)
    if torch.jit.is_tracing() and size[0] % height == 0 and size[1] % width == 0:
        factors = float(size[0] // height), float(size[1] // width)
        return F.interpolate(x, scale_factor=factors, mode=mode, **options)
    return F.interpolate(x, size=size, mode=mode, **options)


class FxLeaf:
    """A layer that ``torch.fx`` calls as it is, in the place of tracing through it.

    For layers whose forward pass depends on sizes, devices or modes. ``torch.fx``
    takes as leaves the modules that say to be PyTorch's own; asked is the instance,
    so that the class keeps its name, for pickling too.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make the layer, which says so before anything else."""
        layer = super().__new__(cls)
        layer.__module__ = nn.Module.__module__
        return layer
