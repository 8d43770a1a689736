"""Export to ONNX, checked against PyTorch in ONNX Runtime."""

from __future__ import annotations

import contextlib
import inspect
import json
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models.backbones.arguments import check_count, is_int
from ..models.backbones.high_resolution import HighResolutionNet
from ..models.deployed.forms import FORMS, Form, find_form
from ..models.layers.channel_weighting import CrossResolutionWeighting
from ..models.layers.context_modeling import DenseContextModeling, official_sums
from ..models.layers.dynamic_conv import DynamicConv2d
from .model import deploy_model, switch_to_deploy
from .runner import METADATA_KEY, PoseTask

MIN_OPSET = 13
INPUT = "input"

#: The exporter that traces: torch >= 2.9 has another one by default.
_TRACE = (
    {"dynamo": False}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters
    else {}
)


class Difference(NamedTuple):
    """How far the exported file is from the trained network in PyTorch.

    Attributes:
        mean: Mean absolute difference.
        largest: Largest absolute difference.
        scale: Largest absolute value of PyTorch's output.
        relative: Largest difference in a map relative to the largest value in it.
    """

    mean: float
    largest: float
    scale: float
    relative: float


class Network(nn.Module):
    """What is exported of a model: images in, maps out.

    Args:
        model: A backbone, or an MMPose or MMSegmentation model, whose heatmaps or
            logits come out, without what is done before and after.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map normalised images (N, C, H, W) to the network's maps."""
        if isinstance(getattr(self.model, "backbone", None), nn.Module):
            outputs = self.model(x, None, mode="tensor")
        else:
            outputs = self.model(x)
        return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def _backbone(model: nn.Module) -> nn.Module:
    return getattr(model, "backbone", model)


def check_output(path: str | Path) -> Path:
    """Return the path of a file to write, if one can be there.

    Raises:
        OSError: If there is something else, or no folder to write it in.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise OSError(f"{path} cannot be written: it is there, and is no file")
    if not path.parent.is_dir():
        raise OSError(f"{path} cannot be written: {path.parent} is no folder")
    return path


def _check_arguments(
    model: nn.Module,
    input_size: Sequence[int],
    batch_size: int,
    dynamic_batch: bool,
    dynamic_size: bool,
    opset: int,
    target: str | None,
) -> None:
    if not isinstance(_backbone(model), HighResolutionNet):
        raise TypeError(
            "the model must be a backbone of mmlitehrnet or have one, got "
            f"{type(_backbone(model)).__name__}"
        )
    if _backbone(model).deploy:
        raise ValueError(
            "the model's backbone has been switched to deploy: export the trained "
            "one, which is switched to the target's form"
        )
    if target is not None:
        find_form(target, dynamic=False)
    check_count("batch_size", batch_size)
    check_count("opset", opset, MIN_OPSET)
    if not isinstance(input_size, (list, tuple)) or not all(map(is_int, input_size)):
        raise TypeError(
            "input_size must be a tuple of a height and a width in pixels, got "
            f"{input_size!r}"
        )
    if len(input_size) != 2 or min(input_size) < 1:
        raise ValueError(
            f"input_size must be a height and a width in pixels, got {input_size}"
        )
    fixed = target is not None and FORMS[target].fixed
    multiple = _backbone(model).size_divisor
    parts = list(_backbone(model).modules())
    if (fixed or dynamic_size) and any(side % multiple for side in input_size):
        pools = _has(parts, (CrossResolutionWeighting, DenseContextModeling))
        other = "; export the plain network, or target='pytorch', at a fixed size"
        raise ValueError(
            f"input_size must hold multiples of {multiple} for this target or "
            f"dynamic_size, got {tuple(input_size)}{'' if pools else other}"
        )
    if target is None and dynamic_size:
        raise ValueError(
            "dynamic_size needs a target: the plain network pools to a size that it "
            "computes, which ONNX has no operator for"
        )
    if target is None and dynamic_batch and _has(parts, DynamicConv2d):
        raise ValueError(
            "dynamic_batch needs a target for networks with dynamic convolution: the "
            "plain one has as many channel groups as samples"
        )
    if dynamic_size and any(
        isinstance(p, DenseContextModeling) and p.pool is official_sums for p in parts
    ):
        raise ValueError(
            "dynamic_size cannot be exported with context_pooling='official', which "
            "cuts maps into runs of a fixed length"
        )


def _has(parts: Sequence[nn.Module], kind: type | tuple[type, ...]) -> bool:
    return any(isinstance(part, kind) for part in parts)


def export_onnx(
    model: nn.Module,
    path: str | Path,
    input_size: Sequence[int],
    target: str | None = "onnxruntime",
    batch_size: int = 1,
    dynamic_batch: bool = False,
    dynamic_size: bool = False,
    opset: int = MIN_OPSET,
    tolerance: float = math.inf,
) -> Difference:
    """Write a trained network as an ONNX file and compare the two.

    A file that is there already is replaced at the end, and stays if anything fails.

    Args:
        model: A backbone of this package, or an MMPose or MMSegmentation model with
            one; it stays as it is.
        path: File to write.
        input_size: Height and width of the images in pixels.
        target: Runtime whose form is exported, or None for the network as it was
            trained.
        batch_size: Number of images.
        dynamic_batch: Whether the file takes any number of images.
        dynamic_size: Whether the file takes images of any size, of sides that are
            multiples of 32; with other than four branches, of another power of two.
        opset: Version of ONNX's operators, at least 13.
        tolerance: Largest relative difference with which the file is written; NaN is
            larger than any.

    Returns:
        How far the file, in ONNX Runtime, is from the trained network in PyTorch,
        on random images; where something is dynamic, also on others than those
        that it was exported with.

    Raises:
        TypeError: If the backbone is not one of this package's, or an argument is of
            the wrong type.
        ValueError: If an argument is not allowed, or the network cannot be
            exported so.
        OSError: If there can be no such file.
    """
    path = check_output(path)
    _check_arguments(
        model, input_size, batch_size, dynamic_batch, dynamic_size, opset, target
    )
    multiple = _backbone(model).size_divisor
    fits = all(side % multiple == 0 for side in input_size)
    parameter = next(model.parameters())
    shape = (batch_size, _backbone(model).in_channels, *input_size)
    shapes = [shape]
    if dynamic_batch or dynamic_size:
        batch = batch_size + 2 * dynamic_batch
        sides = (side + multiple * dynamic_size for side in input_size)
        shapes.append((batch, shape[1], *sides))
    batches = [_images(s).to(parameter) for s in shapes]
    axes = {0: "batch"} if dynamic_batch else {}
    axes |= {2: "height", 3: "width"} if dynamic_size else {}
    task = None
    if hasattr(model, "head") and hasattr(model.head, "decoder"):
        task = pose_task(model, None if dynamic_size else input_size)
    prefix = f".{path.name}."
    with _evaluating(model), TemporaryDirectory("", prefix, path.parent) as folder:
        part = Path(folder, path.name)
        deployed = trained = Network(model).eval()
        if target is not None:
            form = _form(model, target, batch_size, dynamic_batch, dynamic_size, fits)
            whole = not isinstance(model, HighResolutionNet)
            deploy = deploy_model if whole else switch_to_deploy
            deployed = Network(deploy(model, form)).eval()
        try:
            trace_to_onnx(deployed, batches[0], part, axes, opset)
        except torch.onnx.errors.SymbolicValueError as error:
            if fits:
                raise
            raise ValueError(
                "the network pools maps to sizes that theirs are no multiples of, "
                "which ONNX has no operator for: input_size must hold multiples of "
                f"{multiple}, got {tuple(input_size)}"
            ) from error
        if task is not None:
            write_metadata(part, METADATA_KEY, json.dumps(task._asdict()))
        difference = compare(trained, part, batches)
        if difference.relative <= tolerance:
            os.replace(part, path)
    return difference


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _form(
    model: nn.Module,
    target: str,
    batch_size: int,
    dynamic_batch: bool,
    dynamic_size: bool,
    fits: bool,
) -> Form:
    """The form to export, of a network whose image sides fit a fixed one or not."""
    varies = dynamic_batch or dynamic_size
    dynamic = _has(list(model.modules()), DynamicConv2d)
    form = find_form(target, dynamic, None if varies else batch_size)
    return form._replace(
        aggregate=form.aggregate and not dynamic_batch,
        broadcast=form.broadcast or dynamic_size,
        fixed=fits,
    )


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
    sizes = contextlib.nullcontext() if 2 in dynamic else _constant_sizes()
    with _quiet(), sizes:
        outputs = network(images)
        count = 1 if isinstance(outputs, Tensor) else len(outputs)
        names = ["output"] if count == 1 else [f"output{k}" for k in range(count)]
        torch.onnx.export(
            network,
            images,
            str(path),
            input_names=[INPUT],
            output_names=names,
            dynamic_axes={n: dynamic for n in (INPUT, *names)} if dynamic else None,
            opset_version=opset,
            **_TRACE,
        )


def _images(shape: Sequence[int]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@contextlib.contextmanager
def _constant_sizes() -> Iterator[None]:
    """Export the sizes that maps are pooled and upsampled to as constants.

    They are computed from other maps' sizes, which the exporter would write out as
    operators, and then finds that pooling needs a constant.
    """
    pool, interpolate = F.adaptive_avg_pool2d, F.interpolate

    def constant(size: Any) -> Any:
        return tuple(map(int, size)) if isinstance(size, Sequence) else size

    def pool_constant(x: Tensor, output_size: Any) -> Tensor:
        return pool(x, constant(output_size))

    def interpolate_constant(x: Tensor, size: Any = None, *args, **kwargs) -> Tensor:
        return interpolate(x, constant(size), *args, **kwargs)

    F.adaptive_avg_pool2d, F.interpolate = pool_constant, interpolate_constant
    try:
        yield
    finally:
        F.adaptive_avg_pool2d, F.interpolate = pool, interpolate


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # Of Python values that depend on the size, which is then fixed.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield


def pose_task(
    model: nn.Module, input_size: Sequence[int] | None = None
) -> PoseTask | None:
    """What surrounds a pose network, from MMPose's model.

    Args:
        model: A top-down estimator.
        input_size: Height and width of the images in pixels; default: the codec's.

    Returns:
        The task, or None if its codec is not a heatmap codec that
        :mod:`~mmlitehrnet.deploy.runner` decodes.
    """
    codec = model.head.decoder
    kinds = {"MSRAHeatmap": 0, "MSRAHeatmapBlur": None}
    kind = type(codec).__name__
    if kind not in kinds or codec.unbiased:
        return None
    blur = codec.blur_kernel_size if kinds[kind] is None else kinds[kind]
    preprocessor = model.data_preprocessor
    test_cfg: Any = model.test_cfg or {}
    meta = getattr(model, "dataset_meta", None) or model.metainfo or {}
    flip_indices = meta.get("flip_indices")
    if test_cfg.get("flip_mode", "heatmap") != "heatmap":
        return None
    mean, std = (0.0,) * 3, (1.0,) * 3
    if hasattr(preprocessor, "mean"):  # It normalises.
        mean = tuple(preprocessor.mean.flatten().tolist())
        std = tuple(preprocessor.std.flatten().tolist())
    size = codec.input_size if input_size is None else input_size[::-1]
    return PoseTask(
        input_size=tuple(int(v) for v in size),
        mean=mean,
        std=std,
        rgb=bool(preprocessor._channel_conversion),
        blur_kernel_size=int(blur),
        flip_indices=None if flip_indices is None else tuple(map(int, flip_indices)),
        flip_test=bool(test_cfg.get("flip_test", False)) and flip_indices is not None,
        shift_heatmap=bool(test_cfg.get("shift_heatmap", False)),
    )


def write_metadata(path: str | Path, key: str, value: str) -> None:
    """Add an entry to the metadata of an ONNX file."""
    file = onnx.load(str(path))
    onnx.helper.set_model_props(file, {key: value})
    onnx.save(file, str(path))


def compare(
    network: nn.Module, path: str | Path, batches: Sequence[Tensor]
) -> Difference:
    """Compare a network in PyTorch with an ONNX file in ONNX Runtime.

    Args:
        network: Maps images to a tuple of maps.
        path: The file.
        batches: Images to compare them on.
    """
    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    (given,) = session.get_inputs()
    means, largest, scales = [], [], []
    for images in batches:
        with torch.no_grad():
            expected = network(images)
        found = session.run(None, {given.name: images.cpu().numpy()})
        for a, b in zip(found, expected):
            b = b.cpu().numpy()
            if a.shape != b.shape:
                raise ValueError(
                    f"the file gives maps of shape {a.shape}, expected {b.shape}"
                )
            # Kept in double precision: NaN must not pass as equal.
            difference = np.abs(a.astype(np.float64) - b)
            means.append(difference.mean())
            largest.append(difference.max())
            scales.append(np.abs(b).max())
    relative = np.divide(largest, np.maximum(scales, np.finfo(np.float32).tiny))
    return Difference(
        float(np.mean(means)),
        float(np.max(largest)),
        float(np.max(scales)),
        float(np.max(relative)),
    )
