"""Keypoints and labels from exported files, by NumPy, OpenCV and a runtime.

This file imports nothing else. Where neither PyTorch nor MMPose is installed, copy it::

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

import cv2
import numpy as np

#: Key of the exported file's metadata that says what it is for, as JSON.
METADATA_KEY = "mmlitehrnet"
#: Precision -> OpenVINO's name of it.
PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


def _check_option(name: str, value: Any, allowed: Iterable[str]) -> None:
    if value not in list(allowed):
        raise ValueError(f"{name} must be one of {[*allowed]} here, got {value!r}")


class OpenedFile(NamedTuple):
    """A file, opened by a runtime.

    Attributes:
        run: Maps images (N, C, H, W) to the outputs for them. Several threads may call
            it at once.
        input_shape: N, C, H, W of the images: numbers, and something else for those
            that may vary.
        about: What the file says of itself (:data:`METADATA_KEY`), or None.
    """

    run: Callable[[np.ndarray], list[np.ndarray]]
    input_shape: Sequence[Any]
    about: str | None


def open_onnxruntime(
    path: str, num_threads: int, streams: int, precision: str, providers: Sequence[Any]
) -> OpenedFile:
    """Open a file in ONNX Runtime, in ``'float32'``.

    As many calls as ``streams`` can be made at once, on an equal share of the threads.

    Raises:
        ValueError: If no provider can be used, or the precision is another.
    """
    import onnxruntime

    _check_option("precision", precision, ("float32",))
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
    return OpenedFile(
        run=lambda x: session.run(None, {images.name: x}),
        input_shape=images.shape,
        about=session.get_modelmeta().custom_metadata_map.get(METADATA_KEY),
    )


def open_openvino(
    path: str, num_threads: int, streams: int, precision: str, providers: Sequence[Any]
) -> OpenedFile:
    """As :func:`open_onnxruntime`, in OpenVINO, which has no providers."""
    import openvino

    _check_option("precision", precision, PRECISIONS)
    settings = {
        "PERFORMANCE_HINT": "THROUGHPUT" if streams > 1 else "LATENCY",
        "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
        "INFERENCE_NUM_THREADS": num_threads,
        "NUM_STREAMS": streams,
    }
    # It makes tables of types at its first call, where two threads that come at once
    # wait for each other and for Python's lock, for ever.
    openvino.Tensor(np.zeros(1, np.float32)).element_type.to_dtype()
    core, key = openvino.Core(), ["framework", METADATA_KEY]
    model = core.read_model(path)
    sides = model.inputs[0].get_partial_shape()
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

    return OpenedFile(
        run=run,
        input_shape=[side.get_length() if side.is_static else None for side in sides],
        about=model.get_rt_info(key).value if model.has_rt_info(key) else None,
    )


#: Name -> what opens a file.
RUNTIMES: dict[str, Callable[..., OpenedFile]] = {
    "onnxruntime": open_onnxruntime,
    "openvino": open_openvino,
}
_ON_CPU = ("CPUExecutionProvider",)
#: Held by the thread that opens a file.
_OPENING = Lock()
#: Maps a function over values, as ``map`` does.
Spread = Callable[..., Iterable[Any]]


class Runner:
    """An exported file in a runtime.

    A runner can be called by several threads at once. In another process, forked or
    given a copy by pickle, it opens the file anew.

    Args:
        path: File written by ``tools/export_onnx.py``.
        runtime: ``'onnxruntime'`` or ``'openvino'``; only that one is imported.
        num_threads: Threads to compute on; default: as many as the process may use.
        precision: What OpenVINO computes the network in: ``'float32'``, or
            ``'bfloat16'``, which is faster on processors that have it, and float32 on
            others.
        providers: Execution providers of ONNX Runtime.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is for another task, or does not say for which, or an
            argument is wrong.
    """

    #: What the file must be for.
    task = ""

    def __init__(
        self,
        path: str | Path,
        runtime: str = "onnxruntime",
        num_threads: int | None = None,
        precision: str = "float32",
        providers: Sequence[Any] = _ON_CPU,
    ) -> None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"path {path}: there is no such file")
        _check_option("runtime", runtime, RUNTIMES)
        if num_threads is None:
            affinity = getattr(os, "sched_getaffinity", None)  # not on every system
            num_threads = len(affinity(0)) if affinity else os.cpu_count() or 1
        if type(num_threads) is not int or num_threads < 1:
            raise ValueError(f"num_threads must be a positive int, got {num_threads!r}")
        self.num_threads, self._on_cpu = num_threads, tuple(providers) == _ON_CPU
        self._arguments = path, runtime, num_threads, precision, providers
        self._opened: dict[tuple[int, int], tuple[OpenedFile, Spread]] = {}
        self.file, _ = self._open(streams=1)
        self.about: dict[str, Any] = json.loads(self.file.about or "{}")
        if self.about.get("task") != self.task:
            found = self.about.get("task", "nothing that it says")
            raise ValueError(
                f"path {path}: it must be a file for {self.task} as "
                f"tools/export_onnx.py writes it, got one for {found}"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """Say what a copy is made of, in another process or in this one."""
        return type(self), self._arguments

    def _open(self, streams: int) -> tuple[OpenedFile, Spread]:
        """Open the file for a number of calls at once, in each process once.

        Threads do not survive a fork: what was opened before it waits for them.

        Returns:
            The file, and what maps a function over values on as many threads.
        """
        path, runtime, num_threads, precision, providers = self._arguments
        key = os.getpid(), streams
        with _OPENING:
            if key not in self._opened:
                opened = RUNTIMES[runtime](
                    str(path), num_threads, streams, precision, providers
                )
                spread = ThreadPoolExecutor(streams).map if streams > 1 else map
                self._opened[key] = opened, spread
            return self._opened[key]

    def _check(self, image: Any) -> np.ndarray:
        """Return the image as (H, W, C)."""
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            kind = getattr(image, "dtype", type(image))
            raise TypeError(f"image must be an array of uint8, got {kind}")
        channels, shape = self.file.input_shape[1], image.shape
        image = image[..., None] if image.ndim == 2 else image
        if image.ndim != 3 or image.shape[2] != channels or 0 in shape:
            raise ValueError(f"image must have shape (H, W, {channels}), got {shape}")
        return image


def planes(image: np.ndarray, rgb: bool = True) -> np.ndarray:
    """Turn an image (H, W, C) into float32 (C, H, W); blue, green, red to red first."""
    channels = cv2.split(image)
    return np.array(channels[::-1] if rgb and len(channels) == 3 else channels, "f4")


class PoseRunner(Runner):
    """Keypoints of the persons in the boxes of an image.

    Results are those of MMPose's ``inference_topdown`` on the model that the file
    was exported from, to a small fraction of a pixel.

    One person is computed on all threads. Several are computed side by side, on one
    thread each: the networks' layers are too small to be shared well. On other devices
    than the CPU they are one batch, if the file takes any number.

    Arguments and errors are those of :class:`Runner`.
    """

    task = "pose"

    def __call__(self, image: np.ndarray, boxes: Any) -> tuple[np.ndarray, np.ndarray]:
        """Estimate the poses.

        Args:
            image: Image (H, W, C), uint8, of as many channels as the network takes:
                three are blue, green, red, as OpenCV reads it; one may be (H, W).
            boxes: Boxes (M, 4): left, top, right, bottom in pixels.

        Returns:
            Keypoints (M, K, 2), x and y in pixels of the image, and scores (M, K).

        Raises:
            TypeError: If the image is not uint8.
            ValueError: If the image or the boxes have another shape, or a box is empty.
        """
        image = self._check(image)
        matrices = [self._matrix(box) for box in _check_boxes(boxes)]
        if not matrices:
            count = self.about["num_keypoints"]
            return np.zeros((0, count, 2), np.float32), np.zeros((0, count), np.float32)
        streams = self.num_threads if self._on_cpu else 1
        batch = self.file.input_shape[0]
        if not isinstance(batch, int):
            batch = 1 if streams > 1 else len(matrices)
        groups = [matrices[k : k + batch] for k in range(0, len(matrices), batch)]
        file, spread = self._open(streams if len(groups) > 1 else 1)
        results = spread(partial(self._estimate, file, image), groups)
        points, scores = map(np.concatenate, zip(*results))
        return points, scores

    def _matrix(self, box: np.ndarray) -> np.ndarray:
        """Matrix (2, 3) from positions in the image to those in the crop of a box.

        It is MMPose's, of ``GetBBoxCenterScale`` and ``TopdownAffine``.
        """
        width, height = self.about["input_size"]
        center = (box[2:] + box[:2]) * np.float32(0.5)
        w, h = (box[2:] - box[:2]) * np.float32(self.about["padding"])
        aspect = width / height
        w, h = (w, w / aspect) if w > h * aspect else (h * aspect, h)
        if self.about["use_udp"]:  # from the first pixel's centre to the last one's
            x, y = (width - 1) / np.float32(w), (height - 1) / np.float32(h)
            left, top = (x, y) * (np.array((w, h), np.float32) / 2 - center)
            return np.array([[x, 0, left], [0, y, top]], np.float32)
        # Through the middle, the middle of the left side, and a corner at right angles.
        points = np.zeros((2, 3, 2), np.float32)
        points[:, 0] = center, (width / 2, height / 2)
        points[:, 1:] = points[:, :1]
        points[:, 1, 0] += np.array((float(np.float32(w)), width)) * -0.5
        points[:, 2, 0] = points[:, 1, 0]
        points[:, 2, 1] += points[:, 0, 0] - points[:, 1, 0]
        return cv2.getAffineTransform(*points)

    def _estimate(
        self, file: OpenedFile, image: np.ndarray, matrices: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Estimate the poses of as many persons as the network takes at once."""
        size = tuple(self.about["input_size"])
        crops = [planes(cv2.warpAffine(image, m, size)) for m in matrices]
        batch = file.input_shape[0]
        if isinstance(batch, int):  # Such a file gets no fewer.
            crops += [np.zeros_like(crops[0])] * (batch - len(crops))
        points, scores = file.run(np.stack(crops))
        back = np.array([cv2.invertAffineTransform(matrix) for matrix in matrices])
        points = points[: len(back)] @ back[..., :2].transpose(0, 2, 1)
        points += back[:, None, :, 2]
        return points.astype(np.float32), scores[: len(back)]


def _check_boxes(boxes: Any) -> np.ndarray:
    """Return the boxes as (M, 4)."""
    boxes = np.asarray(boxes, np.float32)
    boxes = boxes.reshape(0, 4) if boxes.shape == (0,) else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must have shape (M, 4), got {boxes.shape}")
    # Beyond 2^24 there are no pixels in single precision.
    if not (np.abs(boxes) < 1 << 24).all() or (boxes[:, 2:] <= boxes[:, :2]).any():
        raise ValueError(f"boxes must hold left < right, top < bottom, got {boxes}")
    return boxes


class SegRunner(Runner):
    """Labels of an image's pixels.

    Arguments and errors are those of :class:`Runner`.
    """

    task = "segmentation"

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Label the pixels.

        Args:
            image: Image (H, W, C), uint8, as of :class:`PoseRunner`. It is resized to
                the size that the file takes, if that is fixed.

        Returns:
            Labels (H, W), uint8, indices of ``about['classes']``, and their colours
            (H, W, 3), uint8, blue, green, red.

        Raises:
            TypeError: If the image is not uint8.
            ValueError: If it has another shape.
        """
        image = self._check(image)
        height, width = (
            side if isinstance(side, int) else own
            for side, own in zip(self.file.input_shape[2:], image.shape)
        )
        resized = cv2.resize(image, (width, height))
        mean, std = (
            np.array(self.about[key], np.float32)[:, None, None]
            for key in ("mean", "std")
        )
        images = (planes(resized, self.about["rgb"]) - mean) / std
        (logits,) = self.file.run(images[None])
        full = cv2.resize(logits[0].transpose(1, 2, 0), image.shape[1::-1])
        labels = full.argmax(2).astype(np.uint8)
        return labels, self._palette()[labels]

    def _palette(self) -> np.ndarray:
        """Colours (C, 3) of the classes, blue, green, red; any if there are none."""
        if self.about["palette"]:
            return np.array(self.about["palette"], np.uint8)[:, ::-1]
        hues = (np.arange(256) * 67 % 256).astype(np.uint8)
        return cv2.applyColorMap(hues, cv2.COLORMAP_HSV)[:, 0]
