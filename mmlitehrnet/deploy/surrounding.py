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
from .decoding import find_codec
from .pose import Surroundings, normalisation
from .runner import METADATA_KEY
from .tracing import INPUT, write_onnx

#: Names of a pose file's outputs.
OUTPUTS = ("keypoints", "scores")
#: Largest distance, in pixels of the crop, of decoded keypoints from MMPose's.
LARGEST_DISTANCE = 0.01


class Preparation(nn.Module):
    """What crops pass before a network: they are normalised, and mirrored too.

    The first convolution pads normalised images with zeros, so this is not folded into
    it.

    Args:
        pose: What surrounds the network.
        channels: Channels of the network's images.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, pose: Surroundings, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(pose.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(pose.std)[:, None, None])
        self.swaps = channels == 3 and not pose.rgb
        self.mirrors = pose.flip_indices is not None

    def forward(self, crops: Tensor) -> Tensor:
        """Map crops (N, C, H, W), red, green, blue, 0 to 255, to (N or 2N, C, H, W)."""
        images = crops[:, [2, 1, 0]] if self.swaps else crops
        images = (images - self.mean) / self.std
        return torch.cat((images, images.flip(-1))) if self.mirrors else images

    def crops(self, images: Tensor) -> Tensor:
        """The crops (N, C, H, W) that are normalised to images."""
        crops = images * self.std + self.mean
        return crops[:, [2, 1, 0]] if self.swaps else crops


class Decoder(nn.Module):
    """What follows a pose network: flip test and decoding.

    Args:
        pose: What surrounds the network.
    """

    def __init__(self, pose: Surroundings) -> None:
        super().__init__()
        self.pose, self.codec = pose, find_codec(pose.codec)
        #: Pixels by which maps, and crops, end before their last one's edge.
        self.ends = int(self.codec.centers), int(pose.use_udp)
        pixels = pose.codec.input_size
        cells = getattr(pose.codec, "heatmap_size", pixels)  # SimCC gives pixels.
        self.strides = [a / b for a, b in zip(pixels, cells)]

    def forward(self, *maps: Tensor) -> tuple[Tensor, Tensor]:
        """Find keypoints (N, K, 2) in pixels of the crop, and scores (N, K).

        Args:
            *maps: Heatmaps (N, K, H, W), or SimCC's vectors (N, K, W) and (N, K, H);
                (2N, ...) each with flip test.
        """
        pose = self.pose
        if pose.flip_indices is not None:
            maps = self.average(*maps)
        cells, scores, size = self.codec.decode(maps, pose.codec)
        # MMPose places a cell relative to the region, which ends at the centre of the
        # last pixel of UDP's crops.
        pixels = [
            cells[..., k] / (side - self.ends[0]) * (side * stride - self.ends[1])
            for k, (side, stride) in enumerate(zip(size, self.strides))
        ]
        points = torch.stack(pixels, dim=-1)
        if pose.keypoint_indices is not None:
            indices = torch.tensor(pose.keypoint_indices, device=points.device)
            points, scores = points[:, indices], scores[:, indices]
        return points, scores

    def average(self, first: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """Average maps (2N, ...) over the crops and their mirror images."""
        plain, mirrored = first.chunk(2)
        mirrored = mirrored.flip(-1)
        if self.pose.shift_heatmap:
            mirrored = torch.cat((mirrored[..., :1], mirrored[..., :-1]), dim=-1)
        pairs = [(plain, mirrored), *(maps.chunk(2) for maps in rest)]
        indices = torch.tensor(self.pose.flip_indices, device=first.device)
        return tuple((one + other[:, indices]) * 0.5 for one, other in pairs)


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
    before, after = Preparation(pose, crops[0].shape[1]), Decoder(pose)
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
        check_decoding(last, after, maps, crops[0].shape[:1:-1])
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
    path: Path, after: Decoder, maps: Sequence[Tensor], size: Sequence[int]
) -> None:
    """Compare keypoints with those of MMPose's codec.

    Args:
        path: File that decodes maps.
        after: What is in it.
        maps: Maps with peaks.
        size: Width and height of the crops.

    Raises:
        ValueError: If they differ.
    """
    pose, codec = after.pose, copy.copy(after.pose.codec)
    codec.input_size = tuple(size)
    if len(maps) == 1:
        codec.heatmap_size = tuple(maps[0].shape[:1:-1])
    averages = maps if pose.flip_indices is None else after.average(*maps)
    persons = [codec.decode(*(x.numpy() for x in each))[0] for each in zip(*averages)]
    expected = np.concatenate(persons) * (np.array(size) - pose.use_udp) / size
    if pose.keypoint_indices is not None:
        expected = expected[:, list(pose.keypoint_indices)]
    session = open_file(path)
    names = [each.name for each in session.get_inputs()]
    found, _ = session.run(None, dict(zip(names, (x.numpy() for x in maps))))
    distance = np.abs(found - expected).max()
    if not distance <= LARGEST_DISTANCE:
        raise ValueError(
            f"the file's keypoints of drawn peaks must be those of MMPose's "
            f"{type(codec).__name__}, got a distance of {distance:.3g} pixels"
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
