"""Pose estimation from an exported file, with NumPy and ONNX Runtime or OpenVINO.

This file imports nothing else, so that it can be copied to where neither PyTorch
nor MMPose is installed::

    from runner import PoseRunner

    runner = PoseRunner('model.onnx')
    keypoints, scores = runner(image, boxes)
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

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
        use_udp: Whether images are measured from pixel centre to pixel centre (UDP).
        decoder: How keypoints are found in the network's outputs, see
            :data:`DECODERS`.
        blur_kernel_size: Size of the Gaussian filter of the heatmaps in cells, odd;
            0 for none.
        split_ratio: Bins of SimCC's classifiers for each pixel of the input.
        flip_indices: For each keypoint, the one that it is when the image is
            flipped, or None if the network cannot be tested so.
        flip_test: Whether to average with the flipped image's outputs by default.
        shift_heatmap: Whether to move the flipped heatmaps by one cell.
        keypoint_indices: Which of the network's keypoints are given, or None for all.
    """

    input_size: tuple[int, int]
    mean: tuple[float, ...] = (123.675, 116.28, 103.53)
    std: tuple[float, ...] = (58.395, 57.12, 57.375)
    rgb: bool = True
    padding: float = 1.25
    use_udp: bool = False
    decoder: str = "shift"
    blur_kernel_size: int = 0
    split_ratio: float = 2.0
    flip_indices: tuple[int, ...] | None = None
    flip_test: bool = False
    shift_heatmap: bool = False
    keypoint_indices: tuple[int, ...] | None = None


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


def _to_image_udp(region: Region, size: tuple[int, int]) -> np.ndarray:
    """As :func:`_to_image`, from the first pixel's centre to the last one's."""
    scale = (np.array(size, np.float32) - 1) / region.scale
    start = scale * (region.scale * np.float32(0.5) - region.center)
    x, y = 1 / scale.astype(np.float64)
    return np.array([[x, 0, -x * start[0]], [0, y, -y * start[1]]])


def crop(
    image: np.ndarray, region: Region, size: tuple[int, int], use_udp: bool = False
) -> np.ndarray:
    """Cut a region out of an image and resize it, bilinearly; black outside.

    Args:
        image: Image (H, W, C), uint8.
        region: The region.
        size: Width and height of the result.
        use_udp: Whether the region reaches from the first pixel's centre to the last
            one's, and not from edge to edge.

    Returns:
        Image (height, width, C), uint8.
    """
    return warp(image, (_to_image_udp if use_udp else _to_image)(region, size), size)


def warp(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Sample an image bilinearly, black outside, without turning it.

    Positions are rounded to 1/32 pixel, as ``warpAffine`` of OpenCV 4 does, with
    which the networks are trained; the result is the same. (OpenCV 5 does not round.)

    Args:
        image: Image (H, W, C), uint8.
        matrix: Matrix (2, 3) from positions in the result to those in the image.
        size: Width and height of the result.

    Returns:
        Image (height, width, C), uint8.
    """
    (along_x, _, left), (_, along_y, top) = matrix
    # 1/1024 pixel, in OpenCV's order of operations.
    across = np.rint(along_x * np.arange(size[0]) * 1024) + np.rint(left * 1024)
    down = np.rint((along_y * np.arange(size[1]) + top) * 1024)
    columns, weights_x = _neighbours(across, image.shape[1])
    rows, weights_y = _neighbours(down, image.shape[0])
    first = columns.min()
    strip, columns = image[:, first : columns.max() + 1], columns - first
    mixed = _interpolate(strip, rows, weights_y.astype(np.int16))
    # Columns first, rows last: whole columns are picked and weighted.
    mixed = np.ascontiguousarray(mixed.transpose(1, 2, 0))
    total = _interpolate(mixed, columns, weights_x.astype(np.int32))
    return ((total + 512) >> 10).astype(np.uint8).transpose(2, 0, 1)


def _neighbours(fine: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The two pixels around each position along a side, and their weights.

    Args:
        fine: Positions in 1/1024 pixel.
        length: Pixels of the side.

    Returns:
        Indices (2, N) and weights (2, N), in 1/32; 0 for pixels outside.
    """
    position = (fine.astype(np.int64) + 16) >> 5
    indices = (position >> 5) + np.array([[0], [1]])
    fraction = position & 31
    weights = np.stack((32 - fraction, fraction))
    weights *= (indices >= 0) & (indices < length)
    return indices.clip(0, length - 1), weights


def _interpolate(
    pixels: np.ndarray, indices: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Add weighted neighbours, found by indices (2, N) along the first axis."""
    shape = (-1, *(1,) * (pixels.ndim - 1))
    one, other = (pixels[i] * w.reshape(shape) for i, w in zip(indices, weights))
    one += other
    return one


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


class Peaks:
    """The highest cells of heatmaps, and the values around them.

    Args:
        heatmaps: Heatmaps (K, H, W).

    Attributes:
        scores: The highest values (K,).
        cells: Where they are (K, 2), x and y; (-1, -1) where none is positive.
        size: Width and height of the heatmaps in cells.
    """

    def __init__(self, heatmaps: np.ndarray) -> None:
        count, height, width = heatmaps.shape
        self.size = np.array((width, height))
        self._each = np.arange(count)
        flat = heatmaps.reshape(count, -1)
        best = flat.argmax(axis=1)
        self.scores = flat[self._each, best]
        self._best = np.stack((best % width, best // width), axis=1)
        found = (self.scores > 0)[:, None]
        self.cells = np.where(found, self._best, -1).astype(np.float32)

    def within(self, margin: Any, end: Any) -> np.ndarray:
        """Which peaks (K, 2) are above a margin in x, in y, and below another."""
        return (self.cells > margin) & (self.cells < self.size - end)

    def near(self, maps: np.ndarray, dx: int, dy: int) -> np.ndarray:
        """Values (K,) of maps (K, H, W) beside the peaks, repeated beyond the edge."""
        x, y = (self._best + (dx, dy)).clip(0, self.size - 1).T
        return maps[self._each, y, x]


def decode_shift(
    outputs: Sequence[np.ndarray], task: PoseTask
) -> tuple[np.ndarray, np.ndarray]:
    """Find the highest cells, moved by a quarter towards the higher neighbour.

    Args:
        outputs: Heatmaps (K, H, W).
        task: What surrounds the network.

    Returns:
        Keypoints (K, 2), x and y relative to the heatmap's width and height, and
        scores (K,), the values there. A heatmap without a positive value gives the
        cell (-1, -1).
    """
    (heatmaps,) = outputs
    if task.blur_kernel_size:
        heatmaps = gaussian_filter(heatmaps, task.blur_kernel_size)
    peaks = Peaks(heatmaps)
    slopes = [
        peaks.near(heatmaps, *step) - peaks.near(heatmaps, -step[0], -step[1])
        for step in ((1, 0), (0, 1))
    ]
    # The bounds, which leave the second row and column out, are MMPose's.
    moves = peaks.within(1, 1) & peaks.within(0, 0)[:, ::-1]
    points = peaks.cells + np.sign(slopes).T * 0.25 * moves
    return points.astype(np.float32) / peaks.size.astype(np.float32), peaks.scores


def _newton_step(slope: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """Steps (K, 2) to the extrema of parabolas.

    Args:
        slope: First derivatives (K, 2) by x and y.
        curvature: Second derivatives (K, 3): by x twice, by both, by y twice.
    """
    (dx, dy), (dxx, dxy, dyy) = slope.T, curvature.astype(np.float64).T
    determinant = dxx * dyy - dxy**2
    step = np.stack((dxy * dy - dyy * dx, dxy * dx - dxx * dy), axis=1)
    curved = determinant[:, None] != 0
    return np.divide(step, determinant[:, None], where=curved, out=np.zeros_like(step))


def decode_dark(
    outputs: Sequence[np.ndarray], task: PoseTask
) -> tuple[np.ndarray, np.ndarray]:
    """Find the peaks between cells by the logarithm's derivatives (DARK).

    Derivatives are differences over two cells, and peaks within two cells of the
    edge stay where they are; otherwise as :func:`decode_shift`.
    """
    (heatmaps,) = outputs
    peaks = Peaks(heatmaps)
    filtered = gaussian_filter(heatmaps, task.blur_kernel_size)
    logs = np.log(np.maximum(filtered, 1e-10))

    def at(dx: int, dy: int) -> np.ndarray:
        return peaks.near(logs, dx, dy)

    slope = np.stack((at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)), axis=1) / 2
    dxx = at(2, 0) - 2 * at(0, 0) + at(-2, 0)
    dyy = at(0, 2) - 2 * at(0, 0) + at(0, -2)
    dxy = at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)
    step = _newton_step(slope, np.stack((dxx, dxy, dyy), axis=1) / 4)
    inside = peaks.within(1, 2).all(axis=1, keepdims=True)
    return (peaks.cells + step * inside) / peaks.size, peaks.scores


def decode_dark_udp(
    outputs: Sequence[np.ndarray], task: PoseTask
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`decode_dark`, but by differences over one cell, up to the edge.

    Keypoints are relative to the distance from the first cell's centre to the last
    one's. A keypoint that is not found stays at the cell (-1, -1), which MMPose moves
    by what it reads beyond the heatmap.
    """
    (heatmaps,) = outputs
    peaks = Peaks(heatmaps)
    filtered = gaussian_filter(heatmaps, task.blur_kernel_size)
    logs = np.log(filtered.clip(1e-3, 50))

    def at(dx: int, dy: int) -> np.ndarray:
        return peaks.near(logs, dx, dy)

    slope = np.stack((at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)), axis=1) / 2
    dxx = at(1, 0) - 2 * at(0, 0) + at(-1, 0)
    dyy = at(0, 1) - 2 * at(0, 0) + at(0, -1)
    around = at(1, 0) + at(0, 1) + at(-1, 0) + at(0, -1)
    dxy = (at(1, 1) - around + 2 * at(0, 0) + at(-1, -1)) / 2
    small = np.finfo(np.float32).eps  # which lets a flat map be solved
    curvature = np.stack((dxx, dxy, dyy), axis=1) + np.array((small, 0, small))
    step = _newton_step(slope, curvature)
    return (peaks.cells + step) / (peaks.size - 1), peaks.scores


def decode_simcc(
    outputs: Sequence[np.ndarray], task: PoseTask
) -> tuple[np.ndarray, np.ndarray]:
    """Find the highest bin of the columns and that of the rows (SimCC).

    Args:
        outputs: Classifications of the column (K, W) and of the row (K, H).
        task: What surrounds the network.

    Returns:
        Keypoints (K, 2), x and y relative to the input's width and height, and scores
        (K,), the lower one of the two values. Without a positive value the bin is
        (-1, -1).
    """
    scores = np.min([values.max(axis=1) for values in outputs], axis=0)
    bins = np.stack([values.argmax(axis=1) for values in outputs], axis=1)
    bins = np.where((scores > 0)[:, None], bins, -1)
    return bins / task.split_ratio / np.array(task.input_size), scores


class Decoder(NamedTuple):
    """How keypoints are found in a network's outputs.

    Attributes:
        decode: Maps a person's outputs and the task to keypoints (K, 2), relative to
            the region's width and height, and scores (K,).
        outputs: Number of the network's outputs, (N, K, ...) each. The first one is
            turned around where the image is flipped.
    """

    decode: Callable[[Sequence[np.ndarray], PoseTask], tuple[np.ndarray, np.ndarray]]
    outputs: int = 1


#: What :attr:`PoseTask.decoder` can be.
DECODERS = {
    "shift": Decoder(decode_shift),
    "dark": Decoder(decode_dark),
    "dark_udp": Decoder(decode_dark_udp),
    "simcc": Decoder(decode_simcc, outputs=2),
}


_ON_CPU = ("CPUExecutionProvider",)


class Network(NamedTuple):
    """A file, opened by a runtime.

    Attributes:
        run: Maps images (N, C, H, W) to the outputs for them. Several threads may call
            it at once.
        input_shape: N, C, H, W of the images: numbers, and something else for those
            that may vary.
        output_shapes: Likewise of the outputs.
        task: What the file says of its surroundings (:data:`METADATA_KEY`), or None.
    """

    run: Callable[[np.ndarray], list[np.ndarray]]
    input_shape: Sequence[Any]
    output_shapes: Sequence[Sequence[Any]]
    task: str | None


def open_onnxruntime(
    path: str,
    num_threads: int,
    streams: int = 1,
    providers: Sequence[str] = _ON_CPU,
) -> Network:
    """Open a file in ONNX Runtime.

    Args:
        path: The file.
        num_threads: Threads of all streams.
        streams: Calls that are made at once, on an equal share of the threads each.
        providers: Execution providers.

    Raises:
        ValueError: If none of them can be used.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads // streams
    session = onnxruntime.InferenceSession(path, options, providers=list(providers))
    # A name, or a pair with options. ONNX Runtime takes the CPU where it has none.
    names = {name if isinstance(name, str) else name[0] for name in providers}
    if not names & set(session.get_providers()):
        raise ValueError(
            "providers must have one that ONNX Runtime can use here, of "
            f"{onnxruntime.get_available_providers()}, got {list(providers)}"
        )
    (images,) = session.get_inputs()
    return Network(
        run=lambda x: session.run(None, {images.name: x}),
        input_shape=images.shape,
        output_shapes=[output.shape for output in session.get_outputs()],
        task=session.get_modelmeta().custom_metadata_map.get(METADATA_KEY),
    )


#: Precision -> OpenVINO's name of it.
OPENVINO_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


def open_openvino(
    path: str, num_threads: int, streams: int = 1, precision: str = "float32"
) -> Network:
    """Open a file in OpenVINO, on the CPU.

    Args:
        path: The file.
        num_threads: Threads of all streams.
        streams: Calls that are made at once, on an equal share of the threads each.
        precision: Key of :data:`OPENVINO_PRECISIONS`.
    """
    import openvino

    settings = {
        "PERFORMANCE_HINT": "THROUGHPUT" if streams > 1 else "LATENCY",
        "INFERENCE_PRECISION_HINT": OPENVINO_PRECISIONS[precision],
        "INFERENCE_NUM_THREADS": num_threads,
        "NUM_STREAMS": streams,
    }
    # It makes tables of types at its first call, where two threads that come at once
    # wait for each other and for Python's lock, for ever.
    openvino.Tensor(np.zeros(1, np.float32)).element_type.to_dtype()
    core, said = openvino.Core(), ["framework", METADATA_KEY]
    model = core.read_model(path)
    compiled = core.compile_model(model, "CPU", settings)
    requests: SimpleQueue[Any] = SimpleQueue()
    for _ in range(streams):
        requests.put(compiled.create_infer_request())

    def run(images: np.ndarray) -> list[np.ndarray]:
        request = requests.get()
        try:
            request.infer([images], share_inputs=True)
            return [output.data.copy() for output in request.output_tensors]
        finally:
            requests.put(request)

    def shape(port: Any) -> list[int | None]:
        sides = port.get_partial_shape()
        return [side.get_length() if side.is_static else None for side in sides]

    return Network(
        run=run,
        input_shape=shape(compiled.inputs[0]),
        output_shapes=[shape(output) for output in compiled.outputs],
        task=model.get_rt_info(said).value if model.has_rt_info(said) else None,
    )


#: Name -> what opens a file.
RUNTIMES: dict[str, Callable[..., Network]] = {
    "onnxruntime": open_onnxruntime,
    "openvino": open_openvino,
}


#: Held by the thread that opens a file.
_OPENING = Lock()
#: Maps a function over values, as ``map`` does.
Spread = Callable[..., Iterable[Any]]
#: Maps batches of images (N, C, h, w) to the network's outputs for each, in order.
Run = Callable[[Sequence[np.ndarray]], Iterable[list[np.ndarray]]]


class PoseRunner:
    """Keypoints of the persons in the boxes of an image.

    Results are those of MMPose's ``inference_topdown`` on the model that the file
    was exported from, to a small fraction of a pixel.

    One image of a person is computed on all threads. Several (more persons, or the
    mirrored image of ``flip_test``) are computed side by side, on one thread each:
    the networks' layers are too small to be shared well. On other devices than the CPU
    they are one batch.

    A runner can be called by several threads at once. In another process, forked or
    given a copy by pickle, it opens the file anew.

    Args:
        path: File written by ``tools/export_onnx.py`` for a pose config.
        task: What surrounds the network; default: what the file says.
        num_threads: Threads to compute on; default: as many as the process may use.
        providers: Execution providers of ONNX Runtime.
        runtime: ``'onnxruntime'`` or ``'openvino'``; only that one is imported.
        precision: What OpenVINO computes in: ``'float32'``, or ``'bfloat16'``, which
            is faster on processors that have it, and float32 on others. What a file
            has in 8-bit integers (``--precision int8``) is computed in them anyway.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If ``providers`` is no list or tuple, or ``task`` no
            :class:`PoseTask`.
        ValueError: If the file does not say what surrounds the network and ``task``
            is not given, the task does not fit the file, there is no such runtime,
            precision or provider, ``num_threads`` is no positive integer,
            ``providers`` are given to another than ONNX Runtime, or ``precision`` to
            another than OpenVINO.

    Example:
        >>> runner = PoseRunner('model.onnx')                    # doctest: +SKIP
        >>> keypoints, scores = runner(image, [[10, 20, 90, 200]])  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | Path,
        task: PoseTask | None = None,
        num_threads: int | None = None,
        providers: Sequence[str] = _ON_CPU,
        runtime: str = "onnxruntime",
        precision: str = "float32",
    ) -> None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"path {path}: there is no such file")
        if task is not None and not isinstance(task, PoseTask):
            raise TypeError(f"task must be a PoseTask, got {type(task).__name__}")
        if not isinstance(providers, (list, tuple)):
            raise TypeError(f"providers must be a list of names, got {providers!r}")
        if runtime not in list(RUNTIMES):
            raise ValueError(f"runtime must be one of {[*RUNTIMES]}, got {runtime!r}")
        on_cpu = list(providers) == list(_ON_CPU)
        if runtime != "onnxruntime" and not on_cpu:
            raise ValueError(
                f"providers must be left out for runtime={runtime!r}, got "
                f"{list(providers)}"
            )
        allowed = OPENVINO_PRECISIONS if runtime == "openvino" else ("float32",)
        if precision not in list(allowed):
            raise ValueError(
                "precision must be 'float32', or 'bfloat16' with runtime='openvino', "
                f"got {precision!r} with runtime={runtime!r}"
            )
        if num_threads is None:
            affinity = getattr(os, "sched_getaffinity", None)  # not on every system
            num_threads = len(affinity(0)) if affinity else os.cpu_count() or 1
        if type(num_threads) is not int or num_threads < 1:
            raise ValueError(
                f"num_threads must be a positive integer, got {num_threads!r}"
            )
        self.num_threads = num_threads
        self._open = partial(RUNTIMES[runtime], str(path), num_threads)
        if not on_cpu:
            self._open = partial(self._open, providers=providers)
        if precision != "float32":
            self._open = partial(self._open, precision=precision)
        self._arguments = path, num_threads, providers, runtime, precision
        self._opened: dict[tuple[int, int], tuple[Network, Spread]] = {}
        self.network, _ = self._in_process(streams=1)
        self._side_by_side = on_cpu and num_threads > 1
        if task is None:
            if self.network.task is None:
                raise ValueError(
                    f"{path} does not say what surrounds the network: export it by "
                    "tools/export_onnx.py from a pose config, or give task"
                )
            fields = json.loads(self.network.task)
            unknown = sorted(set(fields) - set(PoseTask._fields))
            if unknown:
                raise ValueError(
                    f"{path} was written for a later runner: this one does not know "
                    f"{unknown} of what surrounds the network"
                )
            task = PoseTask(**fields)
        self.task = task
        self._check_task(Path(path).name)

    def __call__(
        self, image: np.ndarray, boxes: Any, flip_test: bool | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Estimate the poses.

        Args:
            image: Image (H, W, C), uint8, of as many channels as the network takes:
                three are blue, green, red, as OpenCV reads it; one may be (H, W).
            boxes: Boxes (M, 4): left, top, right, bottom in pixels.
            flip_test: Whether to average with the flipped image's outputs; default:
                what the task says.

        Returns:
            Keypoints (M, K, 2), x and y in pixels of the image, and scores (M, K).

        Raises:
            TypeError: If the image is not uint8.
            ValueError: If the image or the boxes have another shape, a box is
                empty, or ``flip_test`` is asked for without ``flip_indices``.
        """
        image, boxes = self._check(image, boxes)
        if flip_test not in (None, True, False):
            raise ValueError(f"flip_test must be True or False, got {flip_test!r}")
        flip_test = self.task.flip_test if flip_test is None else flip_test
        if flip_test and self.task.flip_indices is None:
            raise ValueError("flip_test=True needs flip_indices in the task")
        regions = [
            region_of(box, self.task.input_size, self.task.padding) for box in boxes
        ]
        if not regions:
            none = np.zeros((0, self._num_keypoints, 2), np.float32)
            return none, none[..., 0]
        batch = self.network.input_shape[0]
        if not isinstance(batch, int):
            batch = 1 if self._side_by_side else len(regions)
        groups = [regions[k : k + batch] for k in range(0, len(regions), batch)]
        several = self._side_by_side and (flip_test or len(groups) > 1)
        network, spread = self._in_process(self.num_threads if several else 1)
        # The persons side by side, or the two images of the only one.
        outer, inner = spread, map
        if len(groups) == 1:
            outer, inner = inner, outer
        run = partial(inner, partial(self._run, network))
        results = outer(partial(self._estimate, image, flip_test, run), groups)
        points, scores = zip(*(person for group in results for person in group))
        return np.stack(points), np.stack(scores)

    def __reduce__(self) -> tuple[Any, ...]:
        """Say what a copy is made of, in another process or in this one."""
        path, *others = self._arguments
        return type(self), (path, self.task, *others)

    def _in_process(self, streams: int) -> tuple[Network, Spread]:
        """Open the file for a number of calls at once, in each process once.

        Threads do not survive a fork: what was opened before it waits for them.
        """
        key = os.getpid(), streams
        with _OPENING:
            if key not in self._opened:
                spread = ThreadPoolExecutor(streams).map if streams > 1 else map
                self._opened[key] = self._open(streams=streams), spread
            return self._opened[key]

    def _estimate(
        self, image: np.ndarray, flip_test: bool, run: Run, regions: Sequence[Region]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Estimate the poses of as many persons as the network takes at once.

        Args:
            image: Image (H, W, C).
            flip_test: Whether to average with the flipped image's outputs.
            run: Maps inputs (N, C, h, w), the flipped ones second, to outputs.
            regions: Where the persons are, N at most.

        Returns:
            Keypoints (K, 2) and scores (K,) of each person.
        """
        inputs = np.stack([self._input(image, region) for region in regions])
        if flip_test:
            outputs, flipped = run([inputs, np.ascontiguousarray(inputs[..., ::-1])])
            pairs = zip(outputs, self._flip_back(flipped))
            outputs = [(one + other) * np.float32(0.5) for one, other in pairs]
        else:
            (outputs,) = run([inputs])
        return [self._decode(*pair) for pair in zip(zip(*outputs), regions)]

    @property
    def _num_keypoints(self) -> int:
        task, count = self.task, self.network.output_shapes[0][1]
        if task.keypoint_indices is not None:
            return len(task.keypoint_indices)
        # Some files do not say it.
        return count if isinstance(count, int) else len(task.flip_indices or ())

    def _check_task(self, name: str) -> None:
        task, outputs = self.task, self.network.output_shapes
        channels, height, width = self.network.input_shape[1:]

        def check(field: str, right: bool, what: str) -> None:
            if not right:
                raise ValueError(
                    f"the task's {field} must be {what}, got {getattr(task, field)!r}"
                )

        check("decoder", task.decoder in list(DECODERS), f"one of {sorted(DECODERS)}")
        count = DECODERS[task.decoder].outputs
        if len(outputs) != count:
            raise ValueError(
                f"decoder {task.decoder!r} needs {count} outputs of the network, but "
                f"{name} has {len(outputs)}"
            )
        # What is fixed in the file is a number.
        pairs = list(zip(task.input_size, (width, height)))
        fits = all(side == fixed or not isinstance(fixed, int) for side, fixed in pairs)
        size = f"(width, height) of {name}'s images, {(width, height)}"
        check("input_size", len(pairs) == 2 and fits, size)
        check("mean", len(task.mean) in (1, channels), f"1 or {channels} numbers")
        positive = len(task.std) == len(task.mean) and min(task.std) > 0
        check("std", positive, f"{len(task.mean)} positive numbers, as its mean")
        check("padding", task.padding > 0, "positive")
        blur, filters = task.blur_kernel_size, task.decoder in ("dark", "dark_udp")
        odd = blur % 2 == 1 or (blur == 0 and not filters)
        check("blur_kernel_size", odd, "odd" if filters else "0 or odd")
        if task.decoder == "simcc":
            bins = [shape[2] for shape in outputs]
            wanted = (int(side * task.split_ratio) for side in task.input_size)
            fits = all(k == n or not isinstance(n, int) for k, n in zip(wanted, bins))
            check("split_ratio", fits, f"that of {name}'s {bins} bins")
        joints = outputs[0][1]
        if not isinstance(joints, int):
            return
        if task.flip_indices is not None:
            each = sorted(task.flip_indices) == list(range(joints))
            check("flip_indices", each, f"one for each of {name}'s {joints} keypoints")
        if task.keypoint_indices is not None:
            among = set(task.keypoint_indices) <= set(range(joints))
            check("keypoint_indices", among, f"among {name}'s {joints} keypoints")

    def _check(self, image: Any, boxes: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the image as (H, W, C) and the boxes as (M, 4)."""
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            kind = getattr(image, "dtype", type(image))
            raise TypeError(f"image must be an array of uint8, got {kind}")
        channels, shape = self.network.input_shape[1], image.shape
        image = image[..., None] if image.ndim == 2 else image
        if image.ndim != 3 or image.shape[2] != channels or 0 in shape:
            raise ValueError(
                f"image must have shape (H, W, {channels}), as the network takes "
                f"{channels} channels, got {shape}"
            )
        try:
            boxes = np.asarray(boxes, np.float32)
        except (TypeError, ValueError) as error:
            raise TypeError(f"boxes must be numbers (M, 4): {error}") from error
        boxes = boxes.reshape(0, 4) if boxes.shape == (0,) else boxes
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"boxes must have shape (M, 4), got {boxes.shape}")
        # Beyond that there are no pixels in single precision.
        inside = np.abs(boxes) < 1 << 24
        if not inside.all() or (boxes[:, 2:] <= boxes[:, :2]).any():
            raise ValueError(
                "boxes must hold left < right and top < bottom in pixels, got "
                f"{boxes.tolist()}"
            )
        return image, boxes

    def _input(self, image: np.ndarray, region: Region) -> np.ndarray:
        patch = crop(image, region, self.task.input_size, self.task.use_udp)
        patch = patch[..., ::-1] if self.task.rgb else patch
        mean, std = np.array((self.task.mean, self.task.std), np.float32)
        pixels = patch.transpose(2, 0, 1).astype(np.float32, order="C")
        pixels -= mean[:, None, None]
        pixels /= std[:, None, None]
        return pixels

    def _run(self, network: Network, inputs: np.ndarray) -> list[np.ndarray]:
        count, batch = len(inputs), network.input_shape[0]
        if isinstance(batch, int) and count < batch:  # Such a file gets no fewer.
            inputs = np.pad(inputs, [(0, batch - count), (0, 0), (0, 0), (0, 0)])
        return [output[:count] for output in network.run(inputs)]

    def _flip_back(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        first, *rest = outputs
        first = first[..., ::-1]
        if self.task.shift_heatmap:
            first = np.concatenate((first[..., :1], first[..., :-1]), axis=-1)
        indices = np.array(self.task.flip_indices)
        return [output[:, indices] for output in (first, *rest)]

    def _decode(
        self, outputs: Sequence[np.ndarray], region: Region
    ) -> tuple[np.ndarray, np.ndarray]:
        points, scores = DECODERS[self.task.decoder].decode(outputs, self.task)
        points = points.astype(np.float32) * region.scale + region.center
        points -= region.scale / 2
        if self.task.keypoint_indices is not None:
            indices = np.array(self.task.keypoint_indices, int)
            points, scores = points[indices], scores[indices]
        return points, scores
