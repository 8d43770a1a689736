"""What surrounds a network, put into its ONNX file."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from onnx.compose import add_prefix, merge_models
from torch import Tensor, nn

from .comparison import Difference, compare_outputs, open_file
from .pose import Surroundings, normalisation
from .runner import METADATA_KEY
from .tracing import INPUT, write_onnx

#: Names of a pose file's outputs.
OUTPUTS = ("keypoints", "scores")
#: Largest distance, in pixels of the crop, of decoded keypoints from MMPose's.
LARGEST_DISTANCE = 0.01


@torch.no_grad()
def surround(
    path: Path,
    pose: Surroundings,
    trained: nn.Module,
    crops: Sequence[Tensor],
    axes: dict[int, str],
    opset: int,
) -> Difference:
    """Put a pose network's preparation and decoding into its file.

    Args:
        path: File of the network alone, which is replaced.
        pose: What surrounds the network.
        trained: The network in PyTorch.
        crops: Crops (N, C, H, W) to compare the two on.
        axes: Axes of the crops that may vary, with their names.
        opset: Version of ONNX's operators.

    Returns:
        How far the scores of the whole file are from PyTorch's.

    Raises:
        ValueError: If the file decodes drawn peaks to other keypoints than MMPose.
    """
    before, after = pose.before(crops[0].shape[1]).eval(), pose.after().eval()
    maps = draw_peaks(trained(before(crops[0])))
    names = [f"map{k}" for k in range(len(maps))]
    batch = {k: name for k, name in axes.items() if k == 0}
    inner = axes | {k: "images" for k in batch}  # twice as many with flip test
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes, which are then fixed
        first, last = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        varying = {INPUT: axes, "images": inner}
        write_onnx(before, (crops[0],), first, [INPUT], ["images"], varying, opset)
        varying = {**dict.fromkeys(names, inner), **dict.fromkeys(OUTPUTS, batch)}
        write_onnx(after, maps, last, names, OUTPUTS, varying, opset)
        check_decoding(last, pose, maps, crops[0].shape[:1:-1])
        join([first, path, last], path)
    session = open_file(path)
    whole = _Scores(before, trained, after).eval()
    return compare_outputs(whole, lambda x: session.run(["scores"], {INPUT: x}), crops)


class _Scores(nn.Sequential):
    """Maps crops to the scores of their keypoints."""

    def forward(self, crops: Tensor) -> tuple[Tensor]:
        before, network, after = self
        return (after(*network(before(crops)))[1],)


def draw_peaks(maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Draw a Gaussian peak into maps of the shapes (N, K, ...) of a network's."""
    generator, drawn = torch.Generator().manual_seed(0), []
    for like in maps:
        peaks = torch.ones_like(like).movedim((0, 1), (-2, -1))
        for axis, side in enumerate(like.shape[2:]):
            middle = torch.rand(like.shape[:2], generator=generator) * 0.8 + 0.1
            places = torch.arange(side).reshape(-1, *[1] * (peaks.ndim - axis - 1))
            peaks = peaks * torch.exp(-((places / side - middle) ** 2) * 288)
        drawn.append(peaks.movedim((-2, -1), (0, 1)).contiguous())
    return tuple(drawn)


def check_decoding(
    path: Path, pose: Surroundings, maps: Sequence[Tensor], size: Sequence[int]
) -> None:
    """Compare keypoints with those of MMPose's codec.

    Args:
        path: File that decodes maps.
        pose: What surrounds the network.
        maps: Maps with peaks.
        size: Width and height of the crops.

    Raises:
        ValueError: If they differ.
    """
    codec, after = copy.copy(pose.codec), pose.after()
    codec.input_size = tuple(size)
    if len(maps) == 1:
        codec.heatmap_size = tuple(maps[0].shape[:1:-1])
    averages = maps if pose.flip_indices is None else after.average(*maps)
    persons = [codec.decode(*(x.numpy() for x in each))[0] for each in zip(*averages)]
    expected = np.concatenate(persons) * (np.array(size) - pose.use_udp) / size
    if pose.keypoint_indices is not None:
        expected = expected[:, list(pose.keypoint_indices)]
    session, given = open_file(path), [x.numpy() for x in maps]
    names = [each.name for each in session.get_inputs()]
    found, _ = session.run(None, dict(zip(names, given)))
    distance = np.abs(found - expected).max()
    if not distance <= LARGEST_DISTANCE:
        raise ValueError(
            f"the file's keypoints of drawn peaks must be those of MMPose's "
            f"{type(pose.codec).__name__}, got a distance of {distance:.3g} pixels"
        )


def join(parts: Sequence[Path], path: Path) -> None:
    """Write files of which each takes what the one before it gives as one file."""
    files = [onnx.load(part) for part in parts]
    version = max(file.ir_version for file in files)
    for k, file in enumerate(files):
        file.ir_version = version
        files[k] = add_prefix(file, f"{k}/")
    joined, *rest = files
    for file in rest:
        pairs = zip(joined.graph.output, file.graph.input)
        joined = merge_models(joined, file, [(a.name, b.name) for a, b in pairs])
    del joined.graph.value_info[:]  # One part's names of sizes are others in the next.
    ends = [*joined.graph.input, *joined.graph.output]
    names = {end.name: end.name.split("/", 1)[1] for end in ends}
    for node in joined.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for end in ends:
        end.name = names[end.name]
    onnx.save(joined, path)


def _is_plain(model: Any) -> bool:
    """Whether labels are the highest logits, enlarged as OpenCV does."""
    return model.decode_head.out_channels > 1 and not model.align_corners


def describe(path: Path, model: Any, pose: Surroundings | None) -> None:
    """Write into a file's metadata what :mod:`.runner` must know of it.

    Args:
        path: The file.
        model: The model that it is of.
        pose: What surrounds it, if the file has that.
    """
    about: dict[str, Any] = {}
    if pose is not None:
        about = dict(
            task="pose",
            input_size=pose.input_size,
            padding=pose.padding,
            use_udp=pose.use_udp,
            num_keypoints=len(pose.keypoint_indices or range(model.head.out_channels)),
            flip_test=pose.flip_indices is not None,
        )
    elif hasattr(model, "decode_head") and _is_plain(model):
        known = getattr(model, "dataset_meta", None) or {}
        about = dict(
            task="segmentation",
            **normalisation(model.data_preprocessor),
            **{key: known.get(key) for key in ("classes", "palette")},
        )
    if about:
        file = onnx.load(path)
        onnx.helper.set_model_props(file, {METADATA_KEY: json.dumps(about)})
        onnx.save(file, path)
