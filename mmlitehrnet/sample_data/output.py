"""What all writers of sample data share: arguments, the output folder, files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

# Every generated folder holds this file, so that only such folders are replaced.
MARKER = "sample_data.json"
# First image of each split, so that no two images share a number.
FIRST_ID = {"train": 1, "val": 500_001}
MAX_IMAGES = 100_000
MAX_SIDE = 4096


def begin(
    folder: str | Path,
    kind: str,
    files: Sequence[str],
    smallest: tuple[int, int],
    counts: dict[str, int],
    seed: int,
    size: Sequence[int] | None,
    overwrite: bool,
) -> Path:
    """Check the arguments of a writer and make its output folder.

    Args:
        folder: Where the data will be written.
        kind: Its format.
        files: What the writer writes, as ``glob`` patterns below the folder.
        smallest: The least (height, width) that is allowed.
        counts: Number of images of each split.
        seed: Seed of everything random.
        size: (height, width) of the images in pixels, or None for sizes by chance.
        overwrite: Whether earlier output in the same format may be replaced.

    Returns:
        The folder.

    Raises:
        ValueError: If an argument is out of range or the marker file is damaged.
        FileExistsError: If the folder holds anything, unless all of it was generated
            in the same format and ``overwrite`` is set. Other data is never removed.
        NotADirectoryError: If ``folder`` is a file.
    """
    for name, value in counts.items():
        if not 0 <= value <= MAX_IMAGES:
            raise ValueError(
                f"{name}={value}: the number of images must be 0..{MAX_IMAGES}"
            )
    if not any(counts.values()):
        raise ValueError("train=0, val=0: at least one image must be asked for")
    if seed < 0:
        raise ValueError(f"seed={seed}: must be 0 or larger")
    if size is not None:
        size = [int(side) for side in size]
        low_high = zip(smallest, size, strict=False)
        if len(size) != 2 or not all(a <= b <= MAX_SIDE for a, b in low_high):
            raise ValueError(
                f"size={'x'.join(map(str, size))}: height and width must be at least "
                f"{smallest[0]}x{smallest[1]} and at most {MAX_SIDE} pixels"
            )
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, a folder is needed")
    if folder.exists() and any(folder.iterdir()):
        _clear(folder, kind, files, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    arguments = {"format": kind, **counts, "seed": seed, "size": size}
    write_json(folder / MARKER, arguments)
    return folder


def _clear(folder: Path, kind: str, files: Sequence[str], overwrite: bool) -> None:
    """Remove earlier output of the same format."""
    marker = folder / MARKER
    if not marker.is_file():
        raise FileExistsError(
            f"{folder} is not empty and was not generated here (it has no {MARKER}), "
            "so it is never overwritten; choose another folder"
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
            f"{marker} is damaged, so it does not say what was generated here; choose "
            "another folder"
        ) from None
    if found != kind:
        raise FileExistsError(
            f"{folder} holds data in the format {found!r}, which {kind!r} does not "
            "replace; choose another folder"
        )
    parts = {folder / Path(pattern).parts[0] for pattern in files}
    own = {path for pattern in files for path in folder.glob(pattern)}
    for path in (path for part in parts for path in part.rglob("*")):
        if path not in own and (path.is_symlink() or not path.is_dir()):
            raise FileExistsError(
                f"{path} was not generated, so nothing in {folder} is replaced; move "
                "it away or choose another folder"
            )
    for part in filter(Path.is_dir, parts):
        shutil.rmtree(part)


def pictures(
    kind: str, seed: int, split: str, count: int, quiet: bool
) -> Iterator[tuple[int, np.random.Generator]]:
    """Number each picture of a split and give it a generator of its own."""
    for index in track(range(count), f"{kind} {split}", disable=quiet):
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
