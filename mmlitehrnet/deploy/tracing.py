"""Networks as ONNX files, by the exporter that traces, and what it needs.

Everything that is there for the exporter's sake stands here. It is needed with all
versions of PyTorch that are supported, 2.1 to 2.15: from 2.9 on the exporter is no
longer the default, and its successor, which needs none of this, came with 2.5.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..models.backbones.arguments import check_count

MIN_OPSET = 13
INPUT = "input"

_TRACE: dict[str, Any] = {}
if "dynamo" in inspect.signature(torch.onnx.export).parameters:
    _TRACE["dynamo"] = False


def check_opset(opset: int) -> None:
    """Check that this version of PyTorch writes a version of ONNX's operators.

    Raises:
        TypeError: If it is no integer.
        ValueError: If it does not.
    """
    if check_count("opset", opset, MIN_OPSET) == MIN_OPSET:
        return
    one = (torch.ones(1),)
    try:  # It says so otherwise at the end, below thousands of lines.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                nn.Identity(), one, os.devnull, opset_version=opset, **_TRACE
            )
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"opset must be one that PyTorch {torch.__version__} writes, got {opset}"
        ) from error


@torch.no_grad()
def trace_to_onnx(
    network: nn.Module,
    images: Tensor,
    path: str | Path,
    dynamic: dict[int, str] | None = None,
    opset: int = MIN_OPSET,
) -> None:
    """Write a network as an ONNX file, unchecked.

    Args:
        network: Maps images to a map or a tuple of maps.
        images: Images to trace it with.
        path: File to write.
        dynamic: Axes of images and maps that may vary, with their names.
        opset: Version of ONNX's operators.
    """
    dynamic = dynamic or {}
    with warnings.catch_warnings():
        # Of Python values that depend on the size, which is then fixed.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", UserWarning)
        outputs = network(images)
        count = 1 if isinstance(outputs, Tensor) else len(outputs)
        names = ["output"] if count == 1 else [f"output{k}" for k in range(count)]
        axes = {n: dynamic for n in (INPUT, *names)} if dynamic else None
        write_onnx(network, (images,), path, [INPUT], names, axes, opset)


def write_onnx(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    path: str | Path,
    input_names: Sequence[str],
    output_names: Sequence[str],
    dynamic_axes: dict[str, dict[int, str]] | None = None,
    opset: int = MIN_OPSET,
) -> None:
    """Write a module as an ONNX file, as :func:`torch.onnx.export` does."""
    torch.onnx.export(
        module,
        inputs,
        str(path),
        input_names=list(input_names),
        output_names=list(output_names),
        dynamic_axes=dynamic_axes,
        opset_version=opset,
        **_TRACE,
    )
