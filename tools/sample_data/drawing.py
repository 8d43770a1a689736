"""The canvas that pictures are drawn on, and random colours and exposure."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

Color = ArrayLike  # RGB, 0..255
_TURNS = np.linspace(0, 2 * np.pi, 20, endpoint=False)
CIRCLE = np.stack([np.cos(_TURNS), np.sin(_TURNS)], 1)
_CAP = np.linspace(-np.pi / 2, np.pi / 2, 7)[:, None]
# Light comes from the upper left of the picture.
_LIGHT = np.array([-0.3, -0.3])


@dataclass(frozen=True)
class Canvas:
    """A picture in the making, and what each pixel of it shows.

    Pixel (x, y) has its centre at the integer coordinates (x, y). Shapes cover what
    was drawn before; without a label they leave the labels alone.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) uint8.
    """

    image: np.ndarray
    labels: np.ndarray

    def polygon(
        self, points: ArrayLike, color: Color | None, label: int | None = None
    ) -> None:
        """Fill a polygon of (N, 2) corners, or M of them that do not overlap.

        Without a colour only the labels change.
        """
        points = np.asarray(points, float)
        # OpenCV takes corners in fixed point, here sixteenths of a pixel.
        corners = np.round(points * 16).astype(np.int32)
        contours = list(corners.reshape(-1, *points.shape[-2:]))
        if color is not None:
            tone = np.minimum(np.asarray(color, float), 255).tolist()
            cv2.fillPoly(self.image, contours, tone, cv2.LINE_AA, 4)
        if label is not None:
            cv2.fillPoly(self.labels, contours, [label], cv2.LINE_8, 4)

    def tube(
        self,
        start: ArrayLike,
        end: ArrayLike,
        radii: ArrayLike,
        color: Color,
        label: int | None = None,
    ) -> None:
        """Draw a round bar with a lit and a dark side.

        Of the ends only x and y are used. The radii, in pixels, are those at two or
        more equally spaced places from start to end.
        """
        first, last = np.asarray(start, float)[:2], np.asarray(end, float)[:2]
        along = (last - first) / max(float(np.hypot(*(last - first))), 1e-6)
        across = np.array([-along[1], along[0]])
        extent = np.asarray(radii, float)[:, None]
        axis = np.linspace(first, last, len(extent))
        cap = np.cos(_CAP) * along + np.sin(_CAP) * across
        for share, tone, name in ((1.0, 0.75, label), (0.6, 1.0, None)):
            width = share * extent
            middle = axis + (1 - share) * extent * _LIGHT
            outline = [
                middle - width * across,
                middle[-1] + width[-1] * cap,
                (middle + width * across)[::-1],
                middle[0] - width[0] * cap,
            ]
            self.polygon(np.concatenate(outline), np.multiply(color, tone), name)

    def shadow(self, center: ArrayLike, radii: ArrayLike) -> None:
        """Darken the ground around a point; both arguments are (x, y) in pixels."""
        mask = np.zeros(self.labels.shape, np.uint8)
        Canvas(mask, mask).polygon(np.asarray(center) + CIRCLE * radii, (255,))
        share = mask[mask > 0, None] / 255
        self.image[mask > 0] = (self.image[mask > 0] * (1 - 0.35 * share)).round()

    def photograph(
        self, rng: np.random.Generator, grain: tuple[float, float]
    ) -> np.ndarray:
        """Give the picture texture, exposure, tint, blur and sensor noise.

        ``grain`` is the range of the noise's standard deviation, of 255. Returns
        (H, W, 3) uint8, RGB.
        """
        height, width = size = self.labels.shape
        texture = np.ones(size, np.float32)
        for cell in (40, 12, 4):  # pixels
            grid = (int(height / cell) + 2, int(width / cell) + 2)
            smooth = rng.standard_normal(grid, dtype=np.float32)
            texture += 0.04 * cv2.resize(smooth, (width, height))
        speckle = rng.uniform(*grain) * rng.standard_normal(size, dtype=np.float32)
        tint = rng.uniform(0.92, 1.06, 3) * rng.uniform(0.85, 1.15)
        toned = self.image * texture[..., None] * tint.astype(np.float32)
        blurred = cv2.GaussianBlur(toned, (0, 0), rng.uniform(0.3, 0.7))
        exposed = blurred + rng.uniform(0, 12) + speckle[..., None]
        return np.clip(exposed, 0, 255).round().astype(np.uint8)


def random_color(
    rng: np.random.Generator,
    saturation: tuple[float, float] = (0.1, 0.8),
    value: tuple[float, float] = (0.25, 0.95),
) -> np.ndarray:
    """Draw a colour of any hue, saturation and value within ranges of 0..1."""
    hsv = rng.uniform(), rng.uniform(*saturation), rng.uniform(*value)
    return 255 * np.array(colorsys.hsv_to_rgb(*hsv))


def pick(rng: np.random.Generator, colors: Sequence[Color]) -> np.ndarray:
    """Choose a colour of a list and make it a little lighter or darker."""
    return np.array(colors[int(rng.integers(len(colors)))]) * rng.uniform(0.85, 1.08)
