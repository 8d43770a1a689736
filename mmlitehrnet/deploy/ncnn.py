"""Export to ncnn, which phones and boards use, checked against PyTorch in ncnn.

The network goes to ncnn through TorchScript and pnnx, ncnn's converter. Both are wheels
of their own: ``pip install ncnn pnnx``.
"""

from __future__ import annotations

import copy
import importlib
import math
import os
import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .comparison import Difference, compare_outputs, random_images
from .export import Network, check_arguments, check_output
from .model import deploy_model, find_backbone

#: Options that compute in less than float32, which ncnn turns on where a processor can.
LOW_PRECISION = (
    "use_fp16_packed",
    "use_fp16_storage",
    "use_fp16_arithmetic",
    "use_bf16_storage",
)


def export_ncnn(
    model: nn.Module,
    path: str | Path,
    input_size: Sequence[int],
    target: str | None = "ncnn",
    tolerance: float = math.inf,
) -> Difference:
    """Write a trained network as ncnn's two files and compare them with it.

    The files map one normalised image, the blob ``in0`` (C, H, W), to the network's
    maps ``out0``, ``out1``, ...; weights are float32. Files that are there already are
    replaced at the end, and stay if anything fails.

    Args:
        model: A backbone of this package, or an MMPose or MMSegmentation model with
            one; it stays as it is.
        path: File to write the layers to, ``NAME.param``; the weights are written
            beside it, to ``NAME.bin``.
        input_size: Height and width of the image in pixels.
        target: Runtime whose form is exported, or None for the network as it was
            trained.
        tolerance: Largest relative difference with which the files are written, see
            :meth:`Difference.within`.

    Returns:
        How far the files, in ncnn on one thread in float32, are from the trained
        network in PyTorch, on a random image.

    Raises:
        ImportError: If ncnn or pnnx is not installed.
        TypeError: If the backbone is not one of this package's, or an argument is of
            the wrong type.
        ValueError: If an argument is not allowed, or the network cannot be converted.
        OSError: If there can be no such files.
    """
    path = check_output(path, ".param")
    weights = check_output(path.with_suffix(".bin"), ".bin")
    backbone = find_backbone(model)
    check_arguments(backbone, input_size, target=target)
    ncnn, pnnx = _packages()
    images = random_images((1, backbone.in_channels, *input_size))
    trained = copy.deepcopy(model).cpu().float().eval()
    deployed = trained if target is None else deploy_model(trained, target)
    with TemporaryDirectory("", f".{path.stem}.", path.parent) as folder:
        script = Path(folder, "network.pt")
        _trace(Network(deployed).eval(), images).save(str(script))
        _convert(pnnx.EXEC_PATH, script, images.shape)
        param, binary = (Path(folder, f"network.ncnn.{e}") for e in ("param", "bin"))
        net = _load(ncnn, param, binary)
        difference = compare_outputs(
            Network(trained), lambda x: _run(ncnn, net, x), [images]
        )
        if difference.within(tolerance):
            os.replace(binary, weights)
            os.replace(param, path)
    return difference


def _packages() -> list[Any]:
    try:
        return [importlib.import_module(name) for name in ("ncnn", "pnnx")]
    except ImportError as error:
        raise ImportError(
            f"export to ncnn needs ncnn and pnnx: pip install ncnn pnnx ({error})"
        ) from error


@torch.no_grad()
def _trace(network: nn.Module, images: Tensor) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        # Of Python values that depend on the size, and of TorchScript's end.
        warnings.simplefilter("ignore")
        return torch.jit.trace(network, images, check_trace=False)


def _convert(program: str, script: Path, shape: Sequence[int]) -> None:
    """Run pnnx, which writes its files beside TorchScript's."""
    size = f"inputshape=[{','.join(map(str, shape))}]"
    done = subprocess.run(
        [program, script.name, size, "fp16=0"],
        cwd=script.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    param = script.with_name("network.ncnn.param")
    if done.returncode or not param.is_file():
        last = " ".join(done.stdout.splitlines()[-3:])
        raise ValueError(
            f"pnnx cannot convert the network (exit status {done.returncode}): {last}"
        )
    # What ncnn has no layer for keeps PyTorch's name.
    kinds = {line.split()[0] for line in param.read_text().splitlines()[2:] if line}
    if unknown := sorted(kind for kind in kinds if not kind.isalnum()):
        raise ValueError(f"ncnn has no layer for {', '.join(unknown)}")


def _load(ncnn: Any, param: Path, binary: Path) -> Any:
    net = ncnn.Net()
    net.opt.num_threads = 1
    for option in LOW_PRECISION:
        setattr(net.opt, option, False)
    if net.load_param(str(param)) or net.load_model(str(binary)):
        raise ValueError("ncnn cannot read what pnnx made of the network")
    return net


def _run(ncnn: Any, net: Any, images: np.ndarray) -> list[np.ndarray]:
    """Maps of a single image, which ncnn takes and gives without its axis."""
    extractor = net.create_extractor()
    (given,) = net.input_names()
    extractor.input(given, ncnn.Mat(images[0]).clone())
    # A copy: the array is a view of memory that ncnn frees.
    return [np.array(extractor.extract(n)[1])[None] for n in net.output_names()]
