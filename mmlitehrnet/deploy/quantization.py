"""Files that compute in 8-bit integers, by ONNX Runtime's quantiser.

Runtimes read from pairs of QuantizeLinear and DequantizeLinear in the file what is
computed with whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import onnx
import torch
from torch import Tensor, nn

#: What a file may compute in.
PRECISIONS = ("float32", "int8")

#: Runtime -> whether networks are quantised whole, with what goes between operators, or
#: the inputs of convolutions over all channels alone. ONNX Runtime convolves from
#: integers to integers, and depthwise three times as slowly as in single precision;
#: OpenVINO from integers to single precision, at hardly any loss of accuracy (measured:
#: docs/benchmark.md).
QUANTISED_WHOLE = {"onnxruntime": True, "openvino": False}


def check_precision(
    precision: str, target: Any, network: nn.Module, rtmlib: bool = False
) -> None:
    """Check that a network can be exported in a precision.

    Args:
        precision: One of :data:`PRECISIONS`.
        target: Runtime, or None for the network as it was trained.
        network: The network.
        rtmlib: Whether the file takes images as rtmlib's classes normalise them.

    Raises:
        ValueError: If it cannot be, or would be slower than in single precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}, got {precision!r}")
    if precision == "float32":
        return
    if target not in QUANTISED_WHOLE:
        raise ValueError(
            "precision='int8' is for a target of "
            f"{sorted(QUANTISED_WHOLE)}, got {target!r}"
        )
    if rtmlib:
        raise ValueError(
            "precision='int8' cannot be combined with rtmlib=True, for which the "
            "images to calibrate on would have to be normalised anew"
        )
    depthwise = any(
        isinstance(conv, nn.Conv2d) and 1 < conv.groups == conv.in_channels
        for conv in network.modules()
    )
    if depthwise and QUANTISED_WHOLE[target]:
        raise ValueError(
            f"precision='int8' is slower than float32 in {target} for a network with "
            "depthwise convolutions, and loses accuracy: choose target='openvino'"
        )


def dense_convs(file: onnx.ModelProto) -> list[str]:
    """Names of a file's convolutions over all channels, with constant kernels."""
    constants = {tensor.name for tensor in file.graph.initializer}

    def groups(node: onnx.NodeProto) -> int:
        return next((a.i for a in node.attribute if a.name == "group"), 1)

    return [
        node.name
        for node in file.graph.node
        if node.op_type == "Conv" and node.input[1] in constants and groups(node) == 1
    ]


def quantize(path: str | Path, batches: Sequence[Tensor], target: str) -> None:
    """Quantise an ONNX file in its place.

    Weights have a scale for each output channel, maps one each, from the least to the
    largest value that is met.

    Args:
        path: The file.
        batches: Images (N, C, H, W) to find the ranges of values on.
        target: Key of :data:`QUANTISED_WHOLE`.
    """
    # It is slow to import.
    from onnxruntime.quantization import QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    options: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        prepared = Path(folder) / "network.onnx"
        quant_pre_process(
            str(path), prepared, skip_optimization=True, skip_symbolic_shape=True
        )
        file = onnx.load(prepared)
        if not QUANTISED_WHOLE[target]:
            options = dict(
                op_types_to_quantize=["Conv"],
                nodes_to_quantize=dense_convs(file),
                extra_options=dict(OpTypesToExcludeOutputQuantization=["Conv"]),
            )
        name = file.graph.input[0].name
        feeds = ({name: batch.numpy()} for batch in batches)
        quantize_static(
            prepared,
            path,
            SimpleNamespace(get_next=partial(next, feeds, None)),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            **options,
        )


def split_images(images: Any, shape: Sequence[int]) -> list[Tensor]:
    """Split the images to calibrate on into batches of a file's.

    Args:
        images: Images (M, C, H, W).
        shape: What the file takes: (N, C, H, W).

    Returns:
        Batches of N; the last is filled up with the first images.

    Raises:
        TypeError: If they are no tensor of a floating-point type.
        ValueError: If they are of another shape, or none.
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        raise TypeError(
            "calibration must be a tensor of normalised images for precision='int8', "
            f"got {getattr(images, 'dtype', type(images).__name__)}"
        )
    if images.shape[1:] != torch.Size(shape[1:]) or not len(images):
        raise ValueError(
            f"calibration must hold images of shape {tuple(shape[1:])}, as the file's, "
            f"got {tuple(images.shape)}"
        )
    count = shape[0]
    filled = torch.arange(-(-len(images) // count) * count) % len(images)
    return list(images.cpu().float()[filled].split(count))
