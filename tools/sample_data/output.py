"""What all writers of sample data share: arguments, the output folder, files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.progress import track

# Every generated folder holds this file, so that only such folders are replaced.
MARKER = "sample_data.json"
# First image of each split, so that no two images share a number.
FIRST_ID = {"train": 1, "val": 500_001}
MAX_IMAGES, MAX_SIDE = 100_000, 4096
# Of a split: the number of each picture, and a generator for it alone.
Pictures = Callable[[str], Iterator[tuple[int, np.random.Generator]]]


@dataclass(frozen=True)
class Writer:
    """Writes generated data in one format: ``writer(folder, 400, 60, seed=1)``.

    Attributes:
        kind: Name of the format.
        write: Called with the folder, the size of the images or None, the pictures.
        files: What it writes, as ``glob`` patterns below the folder.
        min_size: The least (height, width) that is allowed.
        size: (height, width) unless told otherwise; None is by chance.
    """

    kind: str
    write: Callable[[Path, Any, Pictures], None]
    files: tuple[str, ...]
    min_size: tuple[int, int]
    size: tuple[int, int] | None

    def __call__(
        self,
        out_dir: str | Path,
        num_train: int,
        num_val: int,
        seed: int = 0,
        size: Sequence[int] | None = None,
        overwrite: bool = False,
        quiet: bool = False,
    ) -> Path:
        """Write the data; the same arguments give the same bytes.

        Args:
            out_dir: Folder to write to; must be new or empty.
            num_train: Number of training images.
            num_val: Number of validation images.
            seed: Seed of everything random, 0 or larger.
            size: (height, width) of the images in pixels.
            overwrite: Whether data in this format, written here before, is replaced.
            quiet: Whether to show no progress bar.

        Returns:
            The folder.

        Raises:
            ValueError: If an argument is out of range or the marker file is damaged.
            FileExistsError: If the folder holds anything, unless all of it was
                generated in this format and ``overwrite`` is set.
            NotADirectoryError: If ``out_dir`` is a file.
        """
        counts = {"train": num_train, "val": num_val}
        size = self.size if size is None else [int(side) for side in size]
        self._check(counts, seed, size)
        folder = Path(out_dir)
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"{folder} is a file, a folder is needed")
        if folder.exists() and any(folder.iterdir()):
            self._clear(folder, overwrite)
        folder.mkdir(parents=True, exist_ok=True)
        arguments = {"format": self.kind, **counts, "seed": seed, "size": size}
        write_json(folder / MARKER, arguments)
        self.write(folder, size, partial(_pictures, self.kind, seed, counts, quiet))
        return folder

    def _check(
        self, counts: dict[str, int], seed: int, size: Sequence[int] | None
    ) -> None:
        for name, value in counts.items():
            if not 0 <= value <= MAX_IMAGES:
                raise ValueError(
                    f"{name}={value}: the number of images must be 0..{MAX_IMAGES}"
                )
        if not any(counts.values()):
            raise ValueError("train=0, val=0: at least one image must be asked for")
        if seed < 0:
            raise ValueError(f"seed={seed}: must be 0 or larger")
        if size is None:
            return
        limits = zip(self.min_size, size, strict=False)
        if len(size) != 2 or not all(low <= n <= MAX_SIDE for low, n in limits):
            raise ValueError(
                f"size={'x'.join(map(str, size))}: height and width must be at least "
                f"{self.min_size[0]}x{self.min_size[1]} and at most {MAX_SIDE} pixels"
            )

    def _clear(self, folder: Path, overwrite: bool) -> None:
        """Remove earlier output of the same format, if it is nothing but that."""
        marker = folder / MARKER
        if not marker.is_file():
            raise FileExistsError(
                f"{folder} is not empty and was not generated here (it has no "
                f"{MARKER}), so it is never overwritten; choose another folder"
            )
        if not overwrite:
            raise FileExistsError(
                f"{folder} is not empty; choose another folder or pass --overwrite "
                "(overwrite=True) to replace the generated data in it"
            )
        try:
            found = json.loads(marker.read_text(encoding="utf-8"))["format"]
        except (ValueError, TypeError, KeyError):
            raise ValueError(
                f"{marker} is damaged, so it does not say what was generated here; "
                "choose another folder"
            ) from None
        if found != self.kind:
            raise FileExistsError(
                f"{folder} holds data in the format {found!r}, which {self.kind!r} "
                "does not replace; choose another folder"
            )
        parts = {folder / Path(pattern).parts[0] for pattern in self.files}
        own = {path for pattern in self.files for path in folder.glob(pattern)}
        for path in (path for part in parts for path in part.rglob("*")):
            if path not in own and (path.is_symlink() or not path.is_dir()):
                raise FileExistsError(
                    f"{path} was not generated, so nothing in {folder} is replaced; "
                    "move it away or choose another folder"
                )
        for part in filter(Path.is_dir, parts):
            shutil.rmtree(part)


def _pictures(
    kind: str, seed: int, counts: dict[str, int], quiet: bool, split: str
) -> Iterator[tuple[int, np.random.Generator]]:
    for index in track(range(counts[split]), f"{kind} {split}", disable=quiet):
        key = [*kind.encode(), seed, list(FIRST_ID).index(split), index]
        yield index, np.random.default_rng(key)


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an RGB (H, W, 3) or single-channel (H, W) uint8 image.

    Raises:
        OSError: If the image cannot be written.
    """
    quality = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix == ".jpg" else []
    done, data = cv2.imencode(
        path.suffix, image[..., ::-1] if image.ndim == 3 else image, quality
    )
    if not done:
        raise OSError(f"cannot encode {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())


def write_json(path: Path, content: object) -> None:
    """Write JSON the same way everywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")
