"""Keypoints from a network's maps, in plain operators of ONNX.

What MMPose's codecs do in NumPy after the network is part of the exported file. A codec
is a row of :data:`CODECS`.

There is no convolution and no product of matrices here: OpenVINO, asked for bfloat16,
computes everything before the last of those in it, and keypoints need more digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import cv2
import torch
from torch import Tensor


def gaussian_filter(heatmaps: Tensor, size: int) -> Tensor:
    """Smooth heatmaps (N, K, H, W), zero outside, and give them their maximum back.

    Args:
        heatmaps: Heatmaps; those without a positive value stay as they are.
        size: Size of OpenCV's kernel in cells, odd.
    """
    radius = size // 2
    # By pairs of the same distance from the middle.
    middle, *weights = cv2.getGaussianKernel(size, 0).ravel()[radius:].tolist()
    smooth = heatmaps
    for axis in (2, 3):
        # Not by `pad`, from which the exporter makes operators that lose the sizes.
        margin, length = [smooth.narrow(axis, 0, 1) * 0] * radius, smooth.shape[axis]
        padded = torch.cat([*margin, smooth, *margin], dim=axis)
        smooth = smooth * middle
        for k, weight in enumerate(weights, 1):
            before = padded.narrow(axis, radius - k, length)
            smooth = (
                smooth + (before + padded.narrow(axis, radius + k, length)) * weight
            )
    highest = heatmaps.amax((2, 3), keepdim=True)
    scaled = smooth * (highest / smooth.amax((2, 3), keepdim=True))
    return torch.where(highest > 0, scaled, heatmaps)


class Peaks:
    """The highest cells of heatmaps, and the values around them.

    Args:
        heatmaps: Heatmaps (N, K, H, W).

    Attributes:
        scores: The highest values (N, K).
        found: Whether they are positive (N, K).
        x: The columns (N, K), as floating-point numbers.
        y: The rows.
        size: Width and height of the heatmaps in cells.
    """

    def __init__(self, heatmaps: Tensor) -> None:
        height, width = heatmaps.shape[2:]
        self.size = (width, height)
        flat = heatmaps.flatten(2)
        self.scores = flat.amax(2)
        self.found = self.scores > 0
        best = flat.argmax(2).float()
        self.y = (best / width).floor()
        self.x = best - self.y * width

    def near(self, maps: Tensor, steps: Sequence[Any]) -> tuple[Tensor, ...]:
        """Values (N, K) of maps (N, K, H, W) beside the peaks; the edge's beyond it."""
        dx, dy = torch.tensor(tuple(zip(*steps)), device=maps.device).unbind()
        width, height = self.size
        x = _limit(self.x[..., None] + dx, width)
        y = _limit(self.y[..., None] + dy, height)
        return maps.flatten(2).gather(2, (y * width + x).long()).unbind(2)

    def within(self, margin: int, end: int) -> tuple[Tensor, Tensor]:
        """Whether columns, and rows (N, K), lie above a margin and below an end.

        Args:
            margin: Cells at the left and at the top, less one, that are outside.
            end: Cells at the right and at the bottom that are outside.
        """
        width, height = self.size
        columns = (self.x > margin) & (self.x < width - end)
        return columns, (self.y > margin) & (self.y < height - end)

    def points(self, dx: Any = 0.0, dy: Any = 0.0) -> Tensor:
        """The cells (N, K, 2), moved; (-1, -1), not moved, where none is positive."""
        moved = torch.stack((self.x + dx, self.y + dy), dim=-1)
        return torch.where(self.found[..., None], moved, -torch.ones_like(moved))


def _limit(x: Tensor, side: Any) -> Tensor:
    """Move what is beyond a side's cells to its first or last one."""
    x = x.clamp(min=0)
    return x - (x - (side - 1)).clamp(min=0)


#: Keypoints in cells (N, K, 2), scores (N, K) and the maps' width and height in cells.
Decoded = tuple[Tensor, Tensor, Sequence[Any]]
RIGHT_LEFT_DOWN_UP = ((1, 0), (-1, 0), (0, 1), (0, -1))


def decode_quarter(
    maps: Sequence[Tensor], codec: Any, blurs: bool = False, inner: bool = False
) -> Decoded:
    """Move the highest cell by a quarter towards the higher neighbour.

    Args:
        maps: Heatmaps (N, K, H, W).
        codec: MMPose's ``MSRAHeatmap``.
        blurs: Whether heatmaps are smoothed first (Lite-HRNet, section 4.1).
        inner: Whether peaks at the edge stay in the middle of their cell.
    """
    (heatmaps,) = maps
    if blurs:
        heatmaps = gaussian_filter(heatmaps, codec.blur_kernel_size)
    peaks = Peaks(heatmaps)
    right, left, down, up = peaks.near(heatmaps, RIGHT_LEFT_DOWN_UP)
    # These bounds, which leave the second row and column out, are MMPose's.
    columns, rows = peaks.within(1, 1)
    if inner:
        columns = rows = columns & rows
    else:
        columns, rows = columns & (peaks.y > 0), rows & (peaks.x > 0)
    points = peaks.points(
        (right - left).sign() * 0.25 * columns, (down - up).sign() * 0.25 * rows
    )
    return points.clamp(min=0) if inner else points, peaks.scores, peaks.size


def _newton_step(
    dx: Tensor, dy: Tensor, dxx: Tensor, dxy: Tensor, dyy: Tensor
) -> tuple[Tensor, Tensor]:
    """Steps in x and in y to the extremum of a parabola, of its derivatives."""
    determinant = dxx * dyy - dxy * dxy
    curved = determinant != 0
    divisor = torch.where(curved, determinant, torch.ones_like(determinant))
    return (
        (dxy * dy - dyy * dx) / divisor * curved,
        (dxy * dx - dxx * dy) / divisor * curved,
    )


def decode_dark(maps: Sequence[Tensor], codec: Any) -> Decoded:
    """Find the peak between cells by the logarithm's derivatives (DARK, 1910.06278).

    Derivatives are differences over two cells; peaks within two cells of the edge stay
    where they are.
    """
    (heatmaps,) = maps
    peaks = Peaks(heatmaps)
    near = peaks.near(
        gaussian_filter(heatmaps, codec.blur_kernel_size),
        [*RIGHT_LEFT_DOWN_UP, (0, 0), (2, 0), (-2, 0), (0, 2), (0, -2)]
        + [(1, 1), (1, -1), (-1, 1), (-1, -1)],
    )
    right, left, down, up, middle, right2, left2, down2, up2, *corners = (
        value.clamp(min=1e-10).log() for value in near
    )
    step_x, step_y = _newton_step(
        (right - left) * 0.5,
        (down - up) * 0.5,
        (right2 - 2 * middle + left2) * 0.25,
        (corners[0] - corners[1] - corners[2] + corners[3]) * 0.25,
        (down2 - 2 * middle + up2) * 0.25,
    )
    columns, rows = peaks.within(1, 2)
    inside = columns & rows
    return peaks.points(step_x * inside, step_y * inside), peaks.scores, peaks.size


def decode_dark_udp(maps: Sequence[Tensor], codec: Any) -> Decoded:
    """As :func:`decode_dark`, by differences over one cell, up to the edge.

    A keypoint that is not found stays at the cell (-1, -1), which MMPose moves by what
    it reads beyond the heatmap.
    """
    (heatmaps,) = maps
    peaks = Peaks(heatmaps)
    near = peaks.near(
        gaussian_filter(heatmaps, codec.blur_kernel_size),
        [*RIGHT_LEFT_DOWN_UP, (0, 0), (1, 1), (-1, -1)],
    )
    right, left, down, up, middle, after, before = (
        value.clamp(1e-3, 50).log() for value in near
    )
    small = torch.finfo(torch.float32).eps  # which lets a flat map be solved
    step = _newton_step(
        (right - left) * 0.5,
        (down - up) * 0.5,
        right - 2 * middle + left + small,
        (after - right - down + 2 * middle - left - up + before) * 0.5,
        down - 2 * middle + up + small,
    )
    return peaks.points(*step), peaks.scores, peaks.size


def decode_simcc(maps: Sequence[Tensor], codec: Any) -> Decoded:
    """Find the highest bin of the columns and that of the rows (SimCC, 2107.03332).

    Args:
        maps: Classifications of the column (N, K, W) and of the row (N, K, H).
        codec: MMPose's ``SimCCLabel``.

    Returns:
        As the others, in pixels; the score is the lower one of the two values.
    """
    scores = torch.minimum(*(values.amax(2) for values in maps))
    bins = torch.stack([values.argmax(2) for values in maps], dim=-1).float()
    bins = torch.where((scores > 0)[..., None], bins, -torch.ones_like(bins))
    return bins / codec.simcc_split_ratio, scores, codec.input_size


class Codec(NamedTuple):
    """A codec of MMPose whose decoding can be exported.

    Attributes:
        name: Its class.
        values: Attributes that it must have, with their values.
        decode: Maps the network's maps and the codec to keypoints in cells.
        centers: Whether cells are counted from the first one's centre to the last
            one's (UDP), and not from edge to edge.
    """

    name: str
    values: Mapping[str, Any]
    decode: Callable[[Sequence[Tensor], Any], Decoded]
    centers: bool = False


_SIMCC = dict(use_dark=False, decode_visibility=False)
CODECS = (
    Codec("MSRAHeatmap", dict(unbiased=False), decode_quarter),
    Codec("MSRAHeatmap", dict(unbiased=True), decode_dark),
    Codec("MSRAHeatmapBlur", {}, partial(decode_quarter, blurs=True)),
    Codec(
        "MSRAHeatmapInner", dict(unbiased=False), partial(decode_quarter, inner=True)
    ),
    Codec("UDPHeatmap", dict(heatmap_type="gaussian"), decode_dark_udp, centers=True),
    Codec("SimCCLabel", _SIMCC, decode_simcc),
)


def find_codec(codec: Any) -> Codec:
    """The row of a codec of MMPose.

    Raises:
        ValueError: If it cannot be exported.
    """
    name = type(codec).__name__
    rows = [row for row in CODECS if row.name == name]
    for row in rows:
        if all(getattr(codec, k, value) == value for k, value in row.values.items()):
            return row
    given = {key: getattr(codec, key) for row in rows[:1] for key in row.values}
    known = sorted({row.name for row in CODECS})
    what = f"{name} with {given}" if rows else f"{name}, but those of {known}"
    raise ValueError(f"keypoints of codec {what} cannot be decoded in the file")
