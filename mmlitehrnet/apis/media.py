"""Images, videos, cameras and addresses: which there are, and their frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlparse

import cv2
import numpy as np
from mmcv.transforms import Compose, LoadImageFromFile

#: Suffix -> kind of what OpenCV and its FFmpeg read, the same on every system. A GIF is
#: a video, since it may move.
KINDS = dict.fromkeys(
    ".avif .bmp .dib .exr .hdr .jp2 .jpe .jpeg .jpg .pbm .pfm .pgm .pic .png .pnm .ppm "
    ".ras .sr .tif .tiff .webp".split(),
    "image",
) | dict.fromkeys(
    ".3gp .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm "
    ".wmv".split(),
    "video",
)


class MediumError(ValueError):
    """An image or video that cannot be read or written."""


class Medium(NamedTuple):
    """An image, a video, or a stream, which has no end.

    Attributes:
        path: The file, or for an address its name.
        kind: 'image', 'video' or 'stream'.
        stem: Name of its results, without suffix.
        source: Address, or number of a camera, if it is no file.
    """

    path: Path
    kind: str
    stem: str
    source: str | int | None = None

    @property
    def place(self) -> str | int:
        """What it is opened by."""
        return str(self.path) if self.source is None else self.source

    def says(self, number: int, default: float) -> float:
        """What the file says of a property of OpenCV's, for a video."""
        if self.kind != "video":  # A camera cannot be opened twice.
            return default
        return max(0, cv2.VideoCapture(self.place).get(number)) or default

    @property
    def num_frames(self) -> int | None:
        """Number of frames; 1 where a video does not say, None of a stream."""
        if self.kind == "stream":
            return None
        return int(self.says(cv2.CAP_PROP_FRAME_COUNT, 1))

    def frames(self, load: LoadImageFromFile) -> Iterator[np.ndarray]:
        """Read it as the step of a pipeline does that loads images.

        Args:
            load: The step. An image is what it loads; a video, which OpenCV decodes to
                colours in 8 bits, is made grey where the step does so.

        Yields:
            Images (H, W) or (H, W, channels): blue, green, red where they have colours.

        Raises:
            MediumError: If it cannot be read.
        """
        if self.kind == "image":
            images, reader = self._image(load), load.imdecode_backend
        else:
            grey = load.color_type.startswith("grayscale")
            images, reader = self._video(grey), "OpenCV"
        first = next(images, None)
        if first is None:
            raise MediumError(
                f"{self.place} cannot be read: {reader} sees no {self.kind} in it"
            )
        yield first
        yield from images

    def _video(self, grey: bool) -> Iterator[np.ndarray]:
        capture = cv2.VideoCapture(self.place)
        try:
            while (read := capture.read())[0]:
                yield cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY) if grey else read[1]
        finally:
            capture.release()

    def _image(self, load: LoadImageFromFile) -> Iterator[np.ndarray]:
        try:
            loaded = load(dict(img_path=self.place))
        except (AssertionError, cv2.error):  # The second for an empty file.
            return
        except Exception as error:  # Whatever a decoder or a file backend raises.
            raise MediumError(f"{self.place} cannot be read: {error}") from error
        if loaded is not None:  # as with ignore_empty
            yield loaded["img"]


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Write a file under another name, and give it its own when it is whole."""
    partial = path.with_name(f".{path.name}")
    yield partial
    partial.replace(path)


def loading_step(pipeline: Compose) -> LoadImageFromFile:
    """Find the step of a test pipeline that loads images; depths stay as in the file.

    The step itself makes floats of what it is given, where the config says so.

    Raises:
        ValueError: If there is none.
    """
    for step in pipeline.transforms:
        step = copy(getattr(step, "from_file", step))  # within MMSegmentation's loader
        if isinstance(step, LoadImageFromFile):
            step.to_float32 = False
            return step
    raise ValueError("the test pipeline has no step that loads images, as LoadImage")


def as_picture(image: np.ndarray) -> np.ndarray:
    """Make an image that can be drawn on of what a pipeline loads.

    Args:
        image: (H, W) or (H, W, channels); integers use the range of their type, floats
            that from 0 to 1.

    Returns:
        (H, W, 3), uint8: the first three channels, or the first one as grey.
    """
    if image.dtype != np.uint8:
        whole = np.issubdtype(image.dtype, np.integer)
        scale = 255 / (np.iinfo(image.dtype).max if whole else 1)
        image = (image * scale).clip(0, 255).astype(np.uint8)
    image = image.reshape(*image.shape[:2], -1)
    if image.shape[2] < 3:
        image = image[..., :1].repeat(3, axis=2)
    return np.ascontiguousarray(image[..., :3])


def find_media(path: str | Path) -> tuple[list[Medium], list[Path]]:
    """Find the images and videos to work on.

    Args:
        path: An image, a video or a folder of them (subfolders are not entered), the
            address of one (``https://...``) or of a stream (``rtsp://...``), or the
            number of a camera.

    Returns:
        The images and videos by name, and the other files of the folder. Results are
        named by the stem or, where two files share one (``a.jpg``, ``a.png``), by the
        whole name.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If it is, or the folder holds, nothing of that kind.
    """
    text, path = str(path), Path(path)
    if "://" in text:
        name = Path(urlparse(text).path or "/").name or urlparse(text).netloc
        kind = KINDS.get(Path(name).suffix.lower(), "stream")
        return [Medium(Path(name), kind, Path(name).stem, text)], []
    if text.isdecimal() and not path.exists():
        name = f"camera_{text}"
        return [Medium(Path(name), "stream", name, int(text))], []
    if not path.exists():
        raise FileNotFoundError(f"input {path}: there is no such file or folder")
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
    kinds = {file: KINDS.get(file.suffix.lower()) for file in files}
    found = {file: kind for file, kind in kinds.items() if kind}
    if not found and path.is_dir():
        raise ValueError(f"input {path}: the folder holds no image and no video")
    if not found:
        raise ValueError(
            f"input {path} is neither an image nor a video, going by its suffix; "
            f"allowed are {' '.join(KINDS)}"
        )
    unique = len({file.stem for file in found}) == len(found)
    media = [
        Medium(file, kind, file.stem if unique else file.name)
        for file, kind in found.items()
    ]
    return media, [file for file in files if file not in found]
