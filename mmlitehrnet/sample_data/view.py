"""A camera over a flat street, and shapes of the street as the camera sees them.

World axes are x to the right, y up from the ground and z ahead, in metres, with the
camera over the origin. Shapes are drawn as in ``drawing``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mmlitehrnet.sample_data import drawing

# Nothing nearer than this is drawn, in metres.
NEAR = 0.6


@dataclass(frozen=True)
class View:
    """A picture in the making.

    Attributes:
        canvas: (H, W, 3) canvas.
        labels: (H, W) label map.
        focal: Focal length in pixels.
        center: (x, y) of the point at infinity straight ahead, in pixels.
        height: Height of the camera over the ground in metres.
        sun: (3,) direction to the sun in the world.
    """

    canvas: np.ndarray
    labels: np.ndarray
    focal: float
    center: tuple[float, float]
    height: float
    sun: np.ndarray

    def scale(self, z: float) -> float:
        """Pixels of one metre at distance ``z`` in metres."""
        return self.focal / max(z, NEAR)

    def project(self, points: Sequence) -> np.ndarray:
        """(N, 3) points in the world to (N, 2) pixels."""
        points = np.asarray(points, float).reshape(-1, 3)
        scale = self.focal / np.maximum(points[:, 2], NEAR)
        x = self.center[0] + points[:, 0] * scale
        y = self.center[1] + (self.height - points[:, 1]) * scale
        return np.stack([x, y], 1)

    def light(self, normal: np.ndarray) -> float:
        """Brightness of a surface with the given normal, around 0.6..1.2."""
        length = max(float(np.linalg.norm(normal)), 1e-6)
        return 0.72 + 0.45 * max(float(normal @ self.sun) / length, 0.0)

    def polygon(self, points: Sequence, color: drawing.Color, label: int) -> None:
        """Fills a flat polygon of (N, 3) corners, cut off in front of the camera."""
        points = _cut(np.asarray(points, float))
        if len(points) > 2:
            corners = self.project(points)
            drawing.polygon(self.canvas, self.labels, corners, color, label)

    def tube(
        self,
        start: Sequence,
        end: Sequence,
        radius: float,
        color: drawing.Color,
        label: int,
    ) -> None:
        """Draws a round bar between two points, ``radius`` in metres."""
        if min(start[2], end[2]) < NEAR:
            return
        first, last = self.project([start, end])
        # Thinner than a pixel a bar would fade from the label map.
        widths = [max(radius * self.scale(point[2]), 0.55) for point in (start, end)]
        radii = ((0.0, widths[0]), (1.0, widths[1]))
        drawing.tube(self.canvas, self.labels, first, last, radii, color, label)

    def picture(self, corners: Sequence, texture: np.ndarray, label: int) -> None:
        """Puts a texture on a rectangle.

        Args:
            corners: (4, 3) top left, top right, bottom right, bottom left.
            texture: (h, w, 3) float32 RGB, 0..255.
            label: Written to the label map.
        """
        corners = np.asarray(corners, float)
        if corners[:, 2].min() < NEAR:
            return
        flat = self.project(corners).astype(np.float32)
        area = drawing.roi(self.canvas, *(flat.min(0) - 1), *(flat.max(0) + 1))
        if area is None:
            return
        where, xs, ys = area
        height, width = texture.shape[:2]
        source = np.array(
            [[0, 0], [width, 0], [width, height], [0, height]], np.float32
        )
        target = flat - np.array([xs[0, 0], ys[0, 0]], np.float32)
        size = (xs.size, ys.size)
        warped = cv2.warpPerspective(
            texture,
            cv2.getPerspectiveTransform(source - 0.5, target),
            size,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        alpha = np.zeros(size[::-1], np.uint8)
        # Far outside corners would overflow the fixed-point numbers of cv2.
        target = np.clip(np.round(target * 16), -(1 << 24), 1 << 24).astype(np.int32)
        cv2.fillPoly(alpha, [target], 255, cv2.LINE_AA, 4)
        share = alpha.astype(np.float32) / 255
        drawing.blend(self.canvas, self.labels, where, warped, share, label)

    def foliage(
        self,
        rng: np.random.Generator,
        center: Sequence,
        radii: Sequence[float],
        color: np.ndarray,
        label: int,
    ) -> None:
        """Draws leaves around a point.

        Args:
            rng: Random generator.
            center: (3,) in the world.
            radii: (across, up) in metres.
            color: RGB, 0..255.
            label: Written to the label map.
        """
        (x, y), scale = self.project(center)[0], self.scale(center[2])
        rx, ry = radii[0] * scale, radii[1] * scale
        if min(rx, ry) < 1:
            return
        area = drawing.roi(
            self.canvas, x - 1.3 * rx, y - 1.3 * ry, x + 1.3 * rx, y + 1.3 * ry
        )
        if area is None:
            return
        where, xs, ys = area
        nx, ny = (xs - x) / rx, (ys - y) / ry
        lumps = drawing.noise(
            rng, (ys.size, xs.size), (max(rx / 3, 2), max(rx / 9, 1.5))
        )
        rho = np.sqrt(nx * nx + ny * ny) + 0.13 * lumps
        alpha = np.clip((1 - rho) * min(rx, ry) * 0.8 + 0.5, 0, 1)
        side = np.sign(self.sun[0])
        light = 0.85 + 0.17 * lumps - 0.22 * ny + 0.1 * side * nx
        surface = color * np.clip(light, 0.3, 1.5)[..., None]
        drawing.blend(self.canvas, self.labels, where, surface, alpha, label)

    def shadow(self, x: float, z: float, radii: Sequence[float]) -> None:
        """Darkens the ground around a point; ``radii`` (across, ahead) in metres."""
        if z < NEAR:
            return
        at = self.project([(x, 0, z)])[0]
        far, near = self.project([(x, 0, z + radii[1]), (x, 0, max(z - radii[1], 1))])
        size = (radii[0] * self.scale(z), max((near[1] - far[1]) / 2, 1.0))
        drawing.shadow(self.canvas, at, size, 0.5)


def _cut(points: np.ndarray) -> np.ndarray:
    """Cuts off the part of a polygon that lies nearer than ``NEAR``."""
    kept = []
    for point, following in zip(points, np.roll(points, -1, axis=0), strict=True):
        if point[2] >= NEAR:
            kept.append(point)
        if (point[2] >= NEAR) != (following[2] >= NEAR):
            share = (NEAR - point[2]) / (following[2] - point[2])
            kept.append(point + share * (following - point))
    return np.array(kept)
