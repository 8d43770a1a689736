"""Images and videos: which there are, reading them, writing a video."""

from __future__ import annotations

import mimetypes
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import mmcv
import numpy as np


class MediumError(ValueError):
    """An image or video that cannot be read or written."""


class Medium(NamedTuple):
    """An image or a video.

    Attributes:
        path: The file.
        kind: 'image' or 'video'.
        stem: Name of its results, without suffix.
    """

    path: Path
    kind: str
    stem: str

    @property
    def num_frames(self) -> int:
        """Number of frames, as the file says; 1 for an image or if it does not say."""
        if self.kind == "image":
            return 1
        return max(1, mmcv.VideoReader(str(self.path)).frame_cnt)


def kind_of(path: Path) -> str | None:
    """Tell by its name whether a file is an 'image' or a 'video', or None."""
    kind = (mimetypes.guess_type(path.name)[0] or "").split("/")[0]
    return kind if kind in ("image", "video") else None


def find_media(path: str | Path) -> tuple[list[Medium], list[Path]]:
    """Find the images and videos to work on.

    Args:
        path: An image, a video or a folder of them; subfolders are not entered.

    Returns:
        The images and videos by name, and the other files of the folder. Results are
        named by the stem; of files that share it (``a.jpg``, ``a.png``), by the whole
        name.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If it is, or the folder holds, nothing of that kind.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"input {path}: there is no such file or folder")
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
    kinds = {file: kind_of(file) for file in files}
    found = [file for file in files if kinds[file]]
    if not found and path.is_dir():
        raise ValueError(f"input {path}: the folder holds no image and no video")
    if not found:
        raise ValueError(
            f"input {path} is neither an image nor a video, going by its name"
        )
    stems = Counter(file.stem for file in found)
    media = [
        Medium(file, kinds[file], file.stem if stems[file.stem] == 1 else file.name)
        for file in found
    ]
    return media, [file for file in files if not kinds[file]]


def read_image(path: Path) -> np.ndarray:
    """Read an image as (H, W, 3) uint8, blue, green, red.

    Raises:
        MediumError: If it cannot be read.
    """
    try:
        image = mmcv.imread(path)
    except OSError as error:
        raise MediumError(f"{path} cannot be read: {error}") from error
    except cv2.error:  # An empty file.
        image = None
    if image is None:
        raise MediumError(f"{path} cannot be read: OpenCV sees no image in it")
    return image


def open_video(path: Path) -> mmcv.VideoReader:
    """Open a video.

    Raises:
        MediumError: If it cannot be read.
    """
    video = mmcv.VideoReader(str(path))
    if not video.opened:
        raise MediumError(f"{path} cannot be read: OpenCV sees no video in it")
    return video


def read_video(path: Path) -> Iterator[np.ndarray]:
    """Read the frames of a video, each as :func:`read_image` gives it.

    Raises:
        MediumError: If there is none.
    """
    count = 0
    for frame in open_video(path):
        count += 1
        yield frame
    if count == 0:
        raise MediumError(f"{path} cannot be read: it has no frames")


class VideoWriter:
    """Writes frames into an MP4 file; a context manager.

    Args:
        path: File to write.
        fps: Frames in a second.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self.fps = path, fps
        self._writer = None

    def __enter__(self) -> VideoWriter:
        """Give the writer; the file is opened with the first frame."""
        return self

    def write(self, frame: np.ndarray) -> None:
        """Add a frame (H, W, 3), blue, green, red, of the size of the first.

        Raises:
            MediumError: If the file cannot be written.
        """
        if self._writer is None:
            code = cv2.VideoWriter_fourcc(*"mp4v")
            size = frame.shape[1::-1]
            self._writer = cv2.VideoWriter(str(self.path), code, self.fps, size)
            if not self._writer.isOpened():
                raise MediumError(f"{self.path} cannot be written as a video")
        self._writer.write(frame)

    def __exit__(self, *_) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()
