"""Images and videos: which there are, and whether they can be read."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import NamedTuple

import cv2
import mmcv


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

    def check(self) -> None:
        """Check that OpenCV can read it; an Inferencer would fail in any way.

        Raises:
            MediumError: If it cannot.
        """
        try:
            if self.kind == "image":
                readable = mmcv.imread(self.path) is not None
            else:
                readable = mmcv.VideoReader(str(self.path)).read() is not None
        except (cv2.error, OSError):  # The first for an empty file.
            readable = False
        if not readable:
            raise MediumError(
                f"{self.path} cannot be read: OpenCV sees no {self.kind} in it"
            )


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
        named by the stem or, where two files share one (``a.jpg``, ``a.png``), by the
        whole name.

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
    kinds = {file: kind for file in files if (kind := kind_of(file))}
    if not kinds and path.is_dir():
        raise ValueError(f"input {path}: the folder holds no image and no video")
    if not kinds:
        raise ValueError(
            f"input {path} is neither an image nor a video, going by its name"
        )
    unique = len({file.stem for file in kinds}) == len(kinds)
    media = [
        Medium(file, kind, file.stem if unique else file.name)
        for file, kind in kinds.items()
    ]
    return media, [file for file in files if file not in kinds]
