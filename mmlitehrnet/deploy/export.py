"""Export to ONNX, checked against PyTorch in ONNX Runtime."""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from ..models.backbones.arguments import check_count, check_flag, is_int
from ..models.backbones.high_resolution import HighResolutionNet
from ..models.deployed.form import find_form
from ..models.layers.context_modeling import DenseContextModeling
from ..models.layers.dynamic_conv import DynamicConv2d
from .model import deploy_model, find_backbone
from .pose import has_decoder, pose_task
from .quantization import check_precision, quantize, split_images
from .rtmlib import adapt_to_rtmlib
from .runner import METADATA_KEY, PoseRunner
from .tracing import MIN_OPSET, check_opset, trace_to_onnx

#: Precision -> largest relative difference that is expected. In int8 it depends on the
#: network and its weights; more than this is an error.
TOLERANCES = {"float32": 1e-4, "int8": 0.3}
# Batches on which a quantised file is compared.
_NUM_COMPARED = 8


class Difference(NamedTuple):
    """How far the exported file is from the trained network in PyTorch.

    Attributes:
        mean: Mean absolute difference.
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


class Network(nn.Module):
    """What is exported of a model: images in, maps out.

    Args:
        model: A backbone, or an MMPose or MMSegmentation model, whose heatmaps or
            logits come out, without what is done before and after.
        before: What the images pass first.
    """

    def __init__(self, model: nn.Module, before: nn.Module | None = None) -> None:
        super().__init__()
        self.model = model
        self.before = nn.Identity() if before is None else before

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map normalised images (N, C, H, W) to the network's maps."""
        x = self.before(x)
        if isinstance(getattr(self.model, "backbone", None), nn.Module):
            outputs = self.model(x, None, mode="tensor")
        else:
            outputs = self.model(x)
        outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
        if not all(isinstance(output, Tensor) for output in outputs):
            raise TypeError(
                "a backbone, a pose estimator or a segmentor can be exported, but not "
                f"{type(self.model).__name__}, which gives more than maps (mmdeploy "
                "exports detectors)"
            )
        return outputs


def check_output(path: str | Path, suffix: str) -> Path:
    """Return the path of a file to write, if one can be there.

    Args:
        path: The file.
        suffix: The only one that it may have: runtimes know its format by that.

    Raises:
        OSError: If there is something else, or no folder to write it in.
        ValueError: If it has another suffix.
    """
    path = Path(path)
    if path.suffix != suffix:
        raise ValueError(f"path must end in {suffix!r}, got {str(path)!r}")
    if path.exists() and not path.is_file():
        raise OSError(f"{path} cannot be written: it is there, and is no file")
    if not path.parent.is_dir():
        raise OSError(f"{path} cannot be written: {path.parent} is no folder")
    return path


def check_arguments(
    backbone: HighResolutionNet,
    input_size: Sequence[int],
    batch_size: int = 1,
    dynamic_batch: bool = False,
    dynamic_size: bool = False,
    opset: int = MIN_OPSET,
    target: str | None = None,
) -> None:
    """Raise the errors of :func:`export_onnx` that arguments of its cause."""
    check_opset(opset)
    if backbone.deploy:
        raise ValueError(
            "the model's backbone has been switched to deploy: export the trained "
            "one, which is switched to the target's form"
        )
    if target is not None:
        find_form(target, backbone)  # which knows it
    check_count("batch_size", batch_size)
    check_flag("dynamic_batch", dynamic_batch)
    check_flag("dynamic_size", dynamic_size)
    if not isinstance(input_size, (list, tuple)) or not all(map(is_int, input_size)):
        raise TypeError(
            "input_size must be a tuple of a height and a width in pixels, got "
            f"{input_size!r}"
        )
    if len(input_size) != 2 or min(input_size) < 1:
        raise ValueError(
            f"input_size must be a height and a width in pixels, got {input_size}"
        )
    divisor = backbone.size_divisor
    if dynamic_size and any(side % divisor for side in input_size):
        raise ValueError(
            f"input_size must hold multiples of {divisor} for dynamic_size, got "
            f"{tuple(input_size)}"
        )
    if target is None and dynamic_size:
        raise ValueError(
            "dynamic_size needs a target: the trained network pools to a size that it "
            "computes, which ONNX has no operator for"
        )
    if target is None and dynamic_batch and _has(backbone, DynamicConv2d):
        raise ValueError(
            "dynamic_batch needs a target for networks with dynamic convolution: the "
            "trained one has as many channel groups as samples"
        )
    if dynamic_size and any(
        isinstance(part, DenseContextModeling) and part.pooling == "official"
        for part in backbone.modules()
    ):
        raise ValueError(
            "dynamic_size cannot be exported with context_pooling='official', which "
            "cuts maps into runs of a fixed length"
        )


def _has(net: nn.Module, *kinds: type[nn.Module]) -> bool:
    return any(isinstance(part, kinds) for part in net.modules())


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
    network_only: bool = False,
    rtmlib: bool = False,
    precision: str = "float32",
    calibration: Tensor | None = None,
) -> Difference:
    """Write a trained network as an ONNX file and compare the two.

    A file that is there already is replaced at the end, and stays if anything fails.

    Args:
        model: A backbone of this package, or an MMPose or MMSegmentation model with
            one; it stays as it is. A copy in float32 on the CPU is exported.
        path: File to write, ``NAME.onnx``.
        input_size: Height and width of the images in pixels.
        target: Runtime whose form is exported, or None for the network as it was
            trained.
        batch_size: Number of images.
        dynamic_batch: Whether the file takes any number of images.
        dynamic_size: Whether the file takes images of any size, of sides that are
            multiples of 32; with other than four branches, of another power of two.
        opset: Version of ONNX's operators, at least 13.
        tolerance: Largest relative difference with which the file is written, see
            :meth:`Difference.within`.
        network_only: Whether to leave out what surrounds a pose network, which
            :mod:`~mmlitehrnet.deploy.runner` needs. It is read off the test pipeline
            of ``model.cfg``, as MMPose's ``init_model`` sets it; without that it is
            left out too.
        rtmlib: Whether the file takes images as rtmlib's classes normalise them.
        precision: ``'float32'``, or ``'int8'``: see
            :data:`~mmlitehrnet.deploy.quantization.QUANTISED_WHOLE`.
        calibration: For ``'int8'``, normalised images (M, C, H, W) of the kind that
            the network will see; about a hundred.

    Returns:
        How far the file, in ONNX Runtime, is from the trained network in PyTorch,
        on random images; where something is dynamic, also on others than those
        that it was exported with. In int8, on some of ``calibration``.

    Raises:
        TypeError: If the backbone is not one of this package's, or an argument is of
            the wrong type.
        ValueError: If an argument is not allowed, or the network cannot be
            exported so.
        OSError: If there can be no such file.
    """
    path, backbone = check_output(path, ".onnx"), find_backbone(model)
    check_arguments(
        backbone, input_size, batch_size, dynamic_batch, dynamic_size, opset, target
    )
    check_precision(precision, target, model, rtmlib)
    if calibration is not None and precision != "int8":
        raise ValueError(
            f"calibration is for precision='int8', got precision={precision!r}"
        )
    divisor = backbone.size_divisor
    fits = all(side % divisor == 0 for side in input_size)
    varies = dynamic_batch or dynamic_size
    shapes = [(batch_size, backbone.in_channels, *input_size)]
    if varies:
        batch = batch_size + 2 * dynamic_batch
        sides = (side + divisor * dynamic_size for side in input_size)
        shapes.append((batch, backbone.in_channels, *sides))
    samples = [] if precision == "float32" else split_images(calibration, shapes[0])
    batches = [random_images(shape) for shape in shapes]
    axes = {0: "batch"} if dynamic_batch else {}
    axes |= {2: "height", 3: "width"} if dynamic_size else {}
    task = None
    if hasattr(model, "cfg") and not network_only and has_decoder(model):
        task = pose_task(model, None if dynamic_size else input_size)
    before = None
    if rtmlib:
        task, before = adapt_to_rtmlib(task, backbone.in_channels)
    model = copy.deepcopy(model).cpu().float().eval()
    with TemporaryDirectory("", f".{path.name}.", path.parent) as folder:
        part = Path(folder, path.name)
        trained, deployed = Network(model, before).eval(), model
        if target is not None:
            form = replace(
                find_form(target, backbone, None if varies else batch_size),
                dynamic_batch=dynamic_batch,
                dynamic_size=dynamic_size,
            )
            deployed = deploy_model(model, form)
        try:
            network = Network(deployed, before).eval()
            trace_to_onnx(network, batches[0], part, axes, opset)
        except torch.onnx.errors.SymbolicValueError as error:
            if fits:
                raise
            raise ValueError(
                "the network pools maps to sizes that theirs are no multiples of, "
                "which ONNX has no operator for: input_size must hold multiples of "
                f"{divisor}, got {tuple(input_size)}"
            ) from error
        difference = compare(trained, part, batches)
        if samples and target:
            if not difference.within(TOLERANCES["float32"]):
                raise ValueError(
                    "the network cannot be quantised, as its file is not equal to it "
                    f"in float32: relative difference {difference.relative:.3g}"
                )
            quantize(part, samples, target)
            difference = compare(trained, part, samples[:_NUM_COMPARED])
        if task is not None:
            write_metadata(part, METADATA_KEY, json.dumps(task._asdict()))
            PoseRunner(part)  # which checks that they fit
        if difference.within(tolerance):
            os.replace(part, path)
    return difference


def random_images(shape: Sequence[int]) -> Tensor:
    """The images (N, C, H, W) that a file and its network are compared on."""
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(0))


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
    double = copy.deepcopy(network).double()
    means, largest, noises, scales = [], [], [], []
    for images in batches:
        with torch.no_grad():
            expected, exact = network(images), double(images.double())
        found = run(images.cpu().numpy())
        for a, b, c in zip(found, expected, exact):
            noises.append((b.double() - c).abs().max().item())
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
    divisors = np.maximum(scales, np.finfo(np.float32).tiny)
    return Difference(
        mean=float(np.mean(means)),
        largest=float(np.max(largest)),
        scale=float(np.max(scales)),
        relative=float(np.max(np.divide(largest, divisors))),
        noise=float(np.max(np.divide(noises, divisors))),
    )
