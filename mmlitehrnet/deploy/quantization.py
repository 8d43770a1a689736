"""Files that compute in 8-bit integers, by ONNX Runtime's quantiser.

Runtimes read from pairs of QuantizeLinear and DequantizeLinear in the file what is
computed with whole numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from .comparison import open_file

#: What a file may compute in.
PRECISIONS = ("float32", "int8")

#: Runtime -> whether networks are quantised whole, with what goes between operators, or
#: the inputs of convolutions over all channels alone. ONNX Runtime convolves from
#: integers to integers, and depthwise three times as slowly as in single precision;
#: OpenVINO from integers to single precision, but for a few of them, at little loss of
#: accuracy (measured: docs/benchmark.md).
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


def _convs(file: onnx.ModelProto, depthwise: bool) -> list[onnx.NodeProto]:
    """A file's convolutions, depthwise or over all channels, with constant kernels."""
    constants = {tensor.name for tensor in file.graph.initializer}

    def groups(node: onnx.NodeProto) -> int:
        return next((a.i for a in node.attribute if a.name == "group"), 1)

    return [
        node
        for node in file.graph.node
        if node.op_type == "Conv"
        and node.input[1] in constants
        and (groups(node) > 1) == depthwise
    ]


def quantised_convs(file: onnx.ModelProto) -> list[str]:
    """Names of the convolutions that OpenVINO computes from integers.

    Of networks of depthwise convolutions the stem and the first transition are left
    out: they cost more accuracy than all others together, and take 4% of the time
    (PP-TinyPose).
    """
    names = [node.name for node in _convs(file, depthwise=False)]
    first = ("/stem/", "/parts.0/") if _convs(file, depthwise=True) else ()
    return [name for name in names if not any(part in name for part in first)]


def equalize(path: Path, feeds: Sequence[dict[str, Any]]) -> None:
    """Give the channels between two convolutions ranges that one scale serves.

    What a depthwise convolution gives is divided by channel, and the kernel that reads
    it multiplied: the results stay. Factors are those of SmoothQuant (arXiv:2211.10438,
    Eq. 4, alpha = 0.5).

    Args:
        path: The file, which is replaced.
        feeds: Inputs to find the ranges of channels on.
    """
    file, probe = onnx.load(path), onnx.load(path)
    tensors = {tensor.name: tensor for tensor in file.graph.initializer}
    readers = Counter(name for node in file.graph.node for name in node.input)
    made = {node.output[0]: node for node in _convs(file, depthwise=True)}
    pairs = []
    for conv in _convs(file, depthwise=False):
        name = conv.input[0]
        values = [*made[name].input[1:], conv.input[1]] if name in made else []
        alone = all(readers[each] == 1 for each in (name, *values))
        if values and alone and {*values} <= {*tensors}:
            pairs.append((name, values))
    if not pairs:
        return
    names = [name for name, _ in pairs]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    onnx.save(probe, path)
    session = open_file(path)
    found = [
        [np.abs(x).max((0, 2, 3)) for x in session.run(names, feed)] for feed in feeds
    ]
    for (_, values), ranges in zip(pairs, zip(*found)):
        kernel = onnx.numpy_helper.to_array(tensors[values[-1]])
        weights = np.abs(kernel).max((0, 2, 3)).clip(1e-12)
        factors = np.sqrt(np.mean(ranges, axis=0) / weights)
        factors = np.where(factors > 0, factors, 1).astype(kernel.dtype)
        scaled = [kernel * factors[:, None, None]]
        for name in values[:-1]:  # (C, 1, k, k) and (C,)
            array = onnx.numpy_helper.to_array(tensors[name])
            scaled.insert(-1, (array.T / factors).T)
        for name, array in zip(values, scaled):
            tensors[name].CopyFrom(onnx.numpy_helper.from_array(array, name))
    onnx.save(file, path)


def _read_unrounded(path: str | Path, quantised: Sequence[str]) -> None:
    """Let all nodes but the quantised ones read maps as they were before rounding."""
    file = onnx.load(path)
    rounds = {n.output[0]: n for n in file.graph.node if n.op_type == "QuantizeLinear"}
    before = {
        node.output[0]: rounds[node.input[0]].input[0]
        for node in file.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in rounds
    }
    for node in file.graph.node:
        if node.name not in quantised:
            node.input[:] = [before.get(name, name) for name in node.input]
    onnx.save(file, path)


def quantize(path: str | Path, batches: Sequence[Tensor], target: str) -> None:
    """Quantise an ONNX file in its place.

    Weights have a scale for each output channel, maps one each: for ONNX Runtime from
    the least to the largest value that is met, for OpenVINO from the mean of all
    batches' least values to that of their largest, after :func:`equalize`.

    Args:
        path: The file.
        batches: Images (N, C, H, W) to find the ranges of values on.
        target: Key of :data:`QUANTISED_WHOLE`.
    """
    # It is slow to import.
    from onnxruntime.quantization import QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    options: dict[str, Any] = {}
    chosen: list[str] = []
    with TemporaryDirectory() as folder:
        prepared = Path(folder) / "network.onnx"
        quant_pre_process(
            str(path), prepared, skip_optimization=True, skip_symbolic_shape=True
        )
        name = onnx.load(prepared).graph.input[0].name
        feeds = [{name: batch.numpy()} for batch in batches]
        if not QUANTISED_WHOLE[target]:
            equalize(prepared, feeds)
            chosen = quantised_convs(onnx.load(prepared))
            options = dict(
                op_types_to_quantize=["Conv"],
                nodes_to_quantize=chosen,
                extra_options=dict(
                    OpTypesToExcludeOutputQuantization=["Conv"],
                    CalibMovingAverage=True,
                ),
            )
        quantize_static(
            prepared,
            path,
            SimpleNamespace(get_next=partial(next, iter(feeds), None)),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            **options,
        )
    if chosen:
        _read_unrounded(path, chosen)


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
