"""Pose estimation from an exported file, with NumPy and ONNX Runtime alone.

This file imports nothing else, so that it can be copied to where neither PyTorch
nor MMPose is installed::

    from runner import PoseRunner

    runner = PoseRunner('model.onnx')
    keypoints, scores = runner(image, boxes)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime

#: Key of the exported file's metadata that holds a :class:`PoseTask`, as JSON.
METADATA_KEY = "mmlitehrnet_pose"


class PoseTask(NamedTuple):
    """What surrounds the network; ``tools/export_onnx.py`` writes it into the file.

    Attributes:
        input_size: Width and height of the network's input in pixels.
        mean: Mean of each channel of the input.
        std: Standard deviation of each channel of the input.
        rgb: Whether the network's channels are red, green, blue.
        padding: Side of the region around a box, relative to the box's.
        blur_kernel_size: Size of the Gaussian filter of the heatmaps in cells, odd;
            0 for none.
        flip_indices: For each keypoint, the one that it is when the image is
            flipped, or None if the network cannot be tested so.
        flip_test: Whether to average with the flipped image's heatmaps by default.
        shift_heatmap: Whether to move the flipped heatmaps by one cell.
    """

    input_size: tuple[int, int]
    mean: tuple[float, ...] = (123.675, 116.28, 103.53)
    std: tuple[float, ...] = (58.395, 57.12, 57.375)
    rgb: bool = True
    padding: float = 1.25
    blur_kernel_size: int = 0
    flip_indices: tuple[int, ...] | None = None
    flip_test: bool = False
    shift_heatmap: bool = False


class Region(NamedTuple):
    """What the network sees of an image.

    Attributes:
        center: Its centre (x, y) in pixels of the image.
        scale: Its width and height in pixels of the image.
    """

    center: np.ndarray
    scale: np.ndarray


def region_of(box: np.ndarray, input_size: tuple[int, int], padding: float) -> Region:
    """Region around a box: padded, and grown to the input's aspect ratio.

    Args:
        box: Left, top, right, bottom in pixels.
        input_size: Width and height of the network's input.
        padding: Side of the region relative to the box's.
    """
    box = np.asarray(box, np.float32)
    width, height = (box[2:] - box[:2]) * np.float32(padding)
    aspect = input_size[0] / input_size[1]
    scale = (
        (width, width / aspect)
        if width > height * aspect
        else (height * aspect, height)
    )
    return Region((box[2:] + box[:2]) * np.float32(0.5), np.array(scale, np.float32))


def _solve(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Solve linear equations by elimination, in OpenCV's order of operations."""
    rows = np.column_stack((matrix, values)).astype(np.float64)
    count = len(rows)
    for i in range(count):
        pivot = i + int(np.argmax(np.abs(rows[i:, i])))
        rows[[i, pivot]] = rows[[pivot, i]]
        for row in rows[i + 1 :]:
            row[i + 1 :] += row[i] * (-1 / rows[i, i]) * rows[i, i + 1 :]
    solution = np.zeros(count)
    for i in reversed(range(count)):
        rest = rows[i, -1]
        for k in range(i + 1, count):
            rest -= rows[i, k] * solution[k]
        solution[i] = rest / rows[i, i]
    return solution


def _corner(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The point that makes a right angle at b with a."""
    x, y = a - b
    return b + np.array((-y, x), np.float32)


def _to_image(region: Region, size: tuple[int, int]) -> np.ndarray:
    """Matrix (2, 3) from positions in the crop to those in the image.

    To the last bit that of MMPose and OpenCV: through three points in single
    precision (the middle, the middle of the left side, and a corner), then inverted.
    """
    source, target = np.zeros((2, 3, 2), np.float32)
    source[0] = region.center
    source[1] = region.center + np.array((float(region.scale[0]) * -0.5, 0))
    target[0] = size[0] * 0.5, size[1] * 0.5
    target[1] = 0, size[1] * 0.5
    source[2], target[2] = _corner(*source[:2]), _corner(*target[:2])
    equations = np.zeros((6, 6))
    for i, point in enumerate(source):
        equations[2 * i, :3] = equations[2 * i + 1, 3:] = (*point, 1)
    (a, b, c), (d, e, f) = _solve(equations, target.ravel()).reshape(2, 3)
    inverse = 1 / (a * e - b * d)
    a, b, d, e = e * inverse, b * -inverse, d * -inverse, a * inverse
    return np.array([[a, b, -a * c - b * f], [d, e, -d * c - e * f]])


def crop(image: np.ndarray, region: Region, size: tuple[int, int]) -> np.ndarray:
    """Cut a region out of an image and resize it, bilinearly; black outside.

    Args:
        image: Image (H, W, C), uint8.
        region: The region.
        size: Width and height of the result.

    Returns:
        Image (height, width, C), uint8.
    """
    return warp(image, _to_image(region, size), size)


def warp(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Sample an image bilinearly, black outside.

    Positions are rounded to 1/32 pixel, as ``warpAffine`` of OpenCV 4 does, with
    which the networks are trained; the result is the same. (OpenCV 5 does not round.)

    Args:
        image: Image (H, W, C), uint8.
        matrix: Matrix (2, 3) from positions in the result to those in the image.
        size: Width and height of the result.

    Returns:
        Image (height, width, C), uint8.
    """
    x, y = np.arange(size[0]), np.arange(size[1])[:, None]
    corners, fractions = [], []
    for along_x, along_y, start in matrix:
        # 1/1024 pixel, then down to 1/32.
        fine = np.rint(along_x * x * 1024) + np.rint((along_y * y + start) * 1024) + 16
        position = fine.astype(np.int64) >> 5
        corners.append(position >> 5)
        fractions.append(position & 31)
    total = np.zeros((size[1], size[0], image.shape[2]), np.int64)
    for dx in (0, 1):
        for dy in (0, 1):
            xs, ys = corners[0] + dx, corners[1] + dy
            weight_x = fractions[0] if dx else 32 - fractions[0]
            weight_y = fractions[1] if dy else 32 - fractions[1]
            inside = (xs >= 0) & (xs < image.shape[1])
            inside &= (ys >= 0) & (ys < image.shape[0])
            weight = weight_x * weight_y * inside
            xs = xs.clip(0, image.shape[1] - 1)
            ys = ys.clip(0, image.shape[0] - 1)
            total += weight[..., None] * image[ys, xs]
    return ((total + 512) >> 10).astype(np.uint8)


def gaussian_filter(heatmaps: np.ndarray, size: int) -> np.ndarray:
    """Smooth heatmaps (..., H, W), zero outside, and give them their maximum back.

    Args:
        heatmaps: Heatmaps; those without a positive value stay as they are.
        size: Size of the kernel in cells, odd; its standard deviation is
            ``0.3 * ((size - 1) / 2 - 1) + 0.8`` cells.
    """
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    offsets = np.arange(size) - size // 2
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).astype(np.float32)
    smooth = heatmaps
    for axis in (-1, -2):
        margin = [(0, 0)] * heatmaps.ndim
        margin[axis] = (size // 2, size // 2)
        padded = np.pad(smooth, margin)
        windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis)
        smooth = windows @ kernel
    before = heatmaps.max((-1, -2), keepdims=True)
    after = smooth.max((-1, -2), keepdims=True)
    positive = before > 0
    scaled = smooth * np.divide(before, after, where=positive, out=np.ones_like(before))
    return np.where(positive, scaled, heatmaps)


def decode(
    heatmaps: np.ndarray, blur_kernel_size: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Find the highest cells, moved by a quarter towards the higher neighbour.

    Args:
        heatmaps: Heatmaps (K, H, W).
        blur_kernel_size: Size of the Gaussian filter before, 0 for none.

    Returns:
        Keypoints (K, 2), x and y in cells, and scores (K,), the values there. A
        heatmap without a positive value gives (-1, -1).
    """
    if blur_kernel_size:
        heatmaps = gaussian_filter(heatmaps, blur_kernel_size)
    count, height, width = heatmaps.shape
    each = np.arange(count)
    flat = heatmaps.reshape(count, -1)
    best = flat.argmax(axis=1)
    scores = flat[each, best]
    x, y = best % width, best // width
    found = scores > 0
    points = np.where(found[:, None], np.stack((x, y), axis=1), -1).astype(np.float32)
    # The bounds, which leave the second row and column out, are MMPose's.
    in_x = found & (x > 1) & (x < width - 1) & (y > 0)
    in_y = found & (y > 1) & (y < height - 1) & (x > 0)
    left, right = x.clip(1) - 1, x.clip(max=width - 2) + 1
    above, below = y.clip(1) - 1, y.clip(max=height - 2) + 1
    dx = heatmaps[each, y, right] - heatmaps[each, y, left]
    dy = heatmaps[each, below, x] - heatmaps[each, above, x]
    points[:, 0] += np.sign(dx) * 0.25 * in_x
    points[:, 1] += np.sign(dy) * 0.25 * in_y
    return points, scores


class PoseRunner:
    """Keypoints of the persons in the boxes of an image.

    Results are those of MMPose's ``inference_topdown`` on the model that the file
    was exported from, to a small fraction of a pixel.

    Args:
        path: File written by ``tools/export_onnx.py`` for a pose config.
        task: What surrounds the network; default: what the file says.
        num_threads: Threads of ONNX Runtime; default: its own choice.
        providers: Execution providers of ONNX Runtime.

    Raises:
        TypeError: If ``providers`` is a string.
        ValueError: If the file does not say what surrounds the network and
            ``task`` is not given, or the task does not fit the file.

    Example:
        >>> runner = PoseRunner('model.onnx')                    # doctest: +SKIP
        >>> keypoints, scores = runner(image, [[10, 20, 90, 200]])  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | Path,
        task: PoseTask | None = None,
        num_threads: int | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        if isinstance(providers, str):
            raise TypeError(f"providers must be a list of names, got {providers!r}")
        options = onnxruntime.SessionOptions()
        if num_threads is not None:
            options.intra_op_num_threads = num_threads
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=list(providers)
        )
        if task is None:
            metadata = self.session.get_modelmeta().custom_metadata_map
            if METADATA_KEY not in metadata:
                raise ValueError(
                    f"{path} does not say what surrounds the network: export it by "
                    "tools/export_onnx.py from a pose config, or give task"
                )
            task = PoseTask(**json.loads(metadata[METADATA_KEY]))
        self.task = task
        (self.input,) = self.session.get_inputs()
        self._check_task(path)

    def __call__(
        self, image: np.ndarray, boxes: Any, flip_test: bool | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Estimate the poses.

        Args:
            image: Image (H, W, 3), uint8, blue, green, red, as OpenCV reads it.
            boxes: Boxes (M, 4): left, top, right, bottom in pixels.
            flip_test: Whether to average with the flipped image's heatmaps;
                default: what the task says.

        Returns:
            Keypoints (M, K, 2), x and y in pixels of the image, and scores (M, K).

        Raises:
            TypeError: If the image is not uint8.
            ValueError: If the image or the boxes have another shape, a box is
                empty, or ``flip_test`` is asked for without ``flip_indices``.
        """
        boxes = np.asarray(boxes, np.float32)
        boxes = boxes.reshape(-1, 4) if boxes.size == 0 else boxes
        self._check(image, boxes)
        flip_test = self.task.flip_test if flip_test is None else flip_test
        if flip_test and self.task.flip_indices is None:
            raise ValueError("flip_test=True needs flip_indices in the task")
        regions = [
            region_of(box, self.task.input_size, self.task.padding) for box in boxes
        ]
        if not regions:
            return np.zeros((0, 0, 2), np.float32), np.zeros((0, 0), np.float32)
        inputs = np.stack([self._input(image, region) for region in regions])
        heatmaps = self._heatmaps(inputs)
        if flip_test:
            heatmaps = (heatmaps + self._flipped_heatmaps(inputs)) * np.float32(0.5)
        results = [self._decode(*pair) for pair in zip(heatmaps, regions)]
        points, scores = zip(*results)
        return np.stack(points), np.stack(scores)

    def _check_task(self, path: str | Path) -> None:
        size = tuple(self.input.shape[:1:-1])
        for given, fixed in zip(self.task.input_size, size):
            if isinstance(fixed, int) and given != fixed:
                raise ValueError(
                    f"{path} is for images of (width, height) {size}, but the task's "
                    f"input_size is {tuple(self.task.input_size)}"
                )
        blur = self.task.blur_kernel_size
        if blur < 0 or (blur and blur % 2 == 0):
            raise ValueError(
                f"the task's blur_kernel_size must be 0 or odd, got {blur}"
            )
        joints = self.session.get_outputs()[0].shape[1]
        flip = self.task.flip_indices
        if flip is not None and isinstance(joints, int) and len(flip) != joints:
            raise ValueError(
                f"the task's flip_indices must be one for each of {path}'s {joints} "
                f"keypoints, got {len(flip)}"
            )

    @staticmethod
    def _check(image: np.ndarray, boxes: np.ndarray) -> None:
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            kind = getattr(image, "dtype", type(image))
            raise TypeError(f"image must be an array of uint8, got {kind}")
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ValueError(f"image must have shape (H, W, 3), got {image.shape}")
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"boxes must have shape (M, 4), got {boxes.shape}")
        if not np.isfinite(boxes).all() or (boxes[:, 2:] <= boxes[:, :2]).any():
            raise ValueError(
                f"boxes must hold left < right and top < bottom, got {boxes.tolist()}"
            )

    def _input(self, image: np.ndarray, region: Region) -> np.ndarray:
        patch = crop(image, region, self.task.input_size)
        patch = patch[..., ::-1] if self.task.rgb else patch
        mean, std = np.array((self.task.mean, self.task.std), np.float32)
        return ((patch - mean) / std).transpose(2, 0, 1)

    def _heatmaps(self, inputs: np.ndarray) -> np.ndarray:
        batch = self.input.shape[0]
        size = batch if isinstance(batch, int) else len(inputs)
        outputs = []
        for start in range(0, len(inputs), size):
            part = inputs[start : start + size]
            # A file for a fixed number of images gets no fewer.
            filled = np.pad(part, [(0, size - len(part)), (0, 0), (0, 0), (0, 0)])
            (output,) = self.session.run(None, {self.input.name: filled})
            outputs.append(output[: len(part)])
        return np.concatenate(outputs)

    def _flipped_heatmaps(self, inputs: np.ndarray) -> np.ndarray:
        mirrored = np.ascontiguousarray(inputs[..., ::-1])
        indices = np.array(self.task.flip_indices)
        heatmaps = self._heatmaps(mirrored)[..., ::-1][:, indices]
        if self.task.shift_heatmap:
            heatmaps = np.concatenate((heatmaps[..., :1], heatmaps[..., :-1]), axis=-1)
        return heatmaps

    def _decode(
        self, heatmaps: np.ndarray, region: Region
    ) -> tuple[np.ndarray, np.ndarray]:
        points, scores = decode(heatmaps, self.task.blur_kernel_size)
        cells = np.array(heatmaps.shape[:0:-1], np.float32)
        points = points / cells * region.scale + region.center - region.scale / 2
        return points, scores
