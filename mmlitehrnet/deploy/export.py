"""Export to ONNX, checked against PyTorch in ONNX Runtime."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from ..models.backbones.arguments import check, check_count, check_flag, is_int
from ..models.backbones.high_resolution import HighResolutionNet
from ..models.deployed.form import find_form
from ..models.layers.dynamic_conv import DynamicConv2d
from .comparison import Difference, compare, random_images
from .model import deploy_model, find_backbone
from .pose import has_decoder, read_surroundings
from .quantization import check_precision, quantize, split_images
from .rtmlib import adapt_to_rtmlib
from .surrounding import Preparation, describe, surround
from .tracing import MIN_OPSET, check_opset, trace_to_onnx

#: Precision -> largest relative difference that is expected. In int8 it depends on the
#: network and its weights; more than this is an error.
TOLERANCES = {"float32": 1e-4, "int8": 0.3}
# Batches on which a quantised file is compared.
_NUM_COMPARED = 8


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
    right = "as it was trained: it is switched to the target's form here"
    check(not backbone.deploy, "the model's backbone", right, "a deployed one")
    if target is not None:
        find_form(target, backbone)  # which knows it
    check_count("batch_size", batch_size)
    check_flag("dynamic_batch", dynamic_batch)
    check_flag("dynamic_size", dynamic_size)
    good = isinstance(input_size, (list, tuple)) and len(input_size) == 2
    good = good and all(is_int(side) and side > 0 for side in input_size)
    right = "a height and a width in pixels, two positive ints"
    check(good, "input_size", right, input_size)
    if dynamic_size:
        divisor = backbone.size_divisor
        good = all(side % divisor == 0 for side in input_size)
        right = f"multiples of {divisor} for dynamic_size"
        check(good, "input_size", right, tuple(input_size))
        right = "a runtime for dynamic_size: trained networks pool to computed sizes"
        check(target is not None, "target", right, target)
        pooling = getattr(backbone, "block_options", {}).get("context_pooling")
        right = "'window' for dynamic_size: the other cuts maps into runs of a length"
        check(pooling != "official", "context_pooling", right, pooling)
    if dynamic_batch and any(isinstance(m, DynamicConv2d) for m in backbone.modules()):
        right = (
            "a runtime for dynamic_batch: trained, it has as many channel groups of "
        )
        right += "dynamic convolution as samples"
        check(target is not None, "target", right, target)


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
    calibration: Tensor | Callable[[], Tensor] | None = None,
    flip_test: bool | None = None,
) -> Difference:
    """Write a trained network as an ONNX file and compare the two.

    The file of a pose estimator with a config maps crops (N, C, H, W), red, green,
    blue, 0 to 255, to ``keypoints`` (N, K, 2), x and y in pixels of the crop, and
    ``scores`` (N, K). All others map normalised images to the network's maps. A file
    that is there already is replaced at the end, and stays if anything fails.

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
        network_only: Whether to leave out what surrounds a pose network. That is read
            off the test pipeline of ``model.cfg``, as MMPose's ``init_model`` sets it;
            without that it is left out too.
        rtmlib: Whether the file takes images as rtmlib's classes normalise them, and
            gives maps.
        precision: ``'float32'``, or ``'int8'``: see
            :data:`~mmlitehrnet.deploy.quantization.QUANTISED_WHOLE`.
        calibration: For ``'int8'``, normalised images (M, C, H, W) of the kind that
            the network will see, about a hundred, or what gives them when the other
            arguments are found to be right.
        flip_test: Whether the file averages the maps of a crop with those of its
            mirror image; default: what ``test_cfg`` says.

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
    good = calibration is None or precision == "int8"
    check(good, "precision", "'int8' where calibration is given", precision)
    pose = None
    if has_decoder(model) and hasattr(model, "cfg") and not network_only:
        size = None if dynamic_size else input_size
        pose = read_surroundings(model, size, False if rtmlib else flip_test)
    if flip_test and (pose is None or rtmlib):
        raise ValueError(
            "flip_test=True is for files of a pose estimator with its surroundings, "
            f"got network_only={network_only}, rtmlib={rtmlib}"
        )
    before = None
    if rtmlib:
        before, pose = adapt_to_rtmlib(pose, backbone.in_channels), None
    # It is exported with the first shape, and compared on both.
    shapes = [(batch_size, backbone.in_channels, *input_size)]
    if varies := dynamic_batch or dynamic_size:
        larger = [side + backbone.size_divisor * dynamic_size for side in input_size]
        count = batch_size + 2 * dynamic_batch
        shapes.append((count, backbone.in_channels, *larger))
    batches = crops = [random_images(shape) for shape in shapes]
    if pose is not None:
        prepare = Preparation(pose, backbone.in_channels)
        crops = [x.sigmoid() * 255 for x in crops]
        batches = [prepare(x) for x in crops]
    if precision == "int8":
        given = calibration() if callable(calibration) else calibration
        samples = split_images(given, batches[0].shape)
    axes = {0: "batch"} if dynamic_batch else {}
    axes |= {2: "height", 3: "width"} if dynamic_size else {}
    # Without its config, which takes longer to copy than the network.
    model = copy.deepcopy(model, {id(getattr(model, "cfg", None)): None})
    model = model.cpu().float().eval()
    with TemporaryDirectory("", f".{path.name}.", path.parent) as folder:
        part = Path(folder, path.name)
        trained = Network(model, before).eval()
        deployed = trained
        if target is not None:
            form = replace(
                find_form(target, backbone, None if varies else len(batches[0])),
                dynamic_batch=dynamic_batch,
                dynamic_size=dynamic_size,
            )
            deployed = Network(deploy_model(model, form), before).eval()
        _trace(deployed, batches[0], part, axes, opset, backbone.size_divisor)
        difference = compare(trained, part, batches)
        if precision == "int8" and target:
            if not difference.within(TOLERANCES["float32"]):
                raise ValueError(
                    "the network cannot be quantised, as its file is not equal to it "
                    f"in float32: relative difference {difference.relative:.3g}"
                )
            quantize(part, samples, target)
            samples = samples[:_NUM_COMPARED]
            difference = compare(trained, part, samples)
            crops = [prepare.crops(x)[:batch_size] for x in samples] if pose else []
        if pose is not None:
            found = surround(part, pose, trained, crops, axes, opset)
            difference = difference.worse(found)
        describe(part, model, pose)
        if difference.within(tolerance):
            os.replace(part, path)
    return difference


def _trace(
    network: nn.Module,
    images: Tensor,
    path: Path,
    axes: dict[int, str],
    opset: int,
    divisor: int,
) -> None:
    try:
        trace_to_onnx(network, images, path, axes, opset)
    except torch.onnx.errors.SymbolicValueError as error:
        size = tuple(images.shape[2:])
        if all(side % divisor == 0 for side in size):
            raise
        # ONNX has no operator for what adaptive pooling does then.
        raise ValueError(
            f"input_size must hold multiples of {divisor} for a network that pools its "
            f"maps, got {size}"
        ) from error
