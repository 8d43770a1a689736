"""Shapes, textures and light from which the sample pictures are made.

A canvas is a float32 RGB array of shape (H, W, 3) with values 0..255, drawn on in
place. Pixel (x, y) has its centre at the integer coordinates (x, y). A label map is
an int32 array of shape (H, W) that says what each pixel shows; every shape writes
its own label where it covers at least half of a pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

# Direction to the light in image axes (x right, y down, z towards the viewer).
LIGHT = np.array([-0.42, -0.52, 0.74], np.float32)
AMBIENT, DIFFUSE = 0.60, 0.48

Color = Sequence[float]


def roi(canvas: np.ndarray, x0: float, y0: float, x1: float, y1: float):
    """Clips a box to the canvas.

    Returns:
        The slices of the box and its pixel coordinates, ``xs`` of shape (1, w) and
        ``ys`` of shape (h, 1); None where nothing of the box is on the canvas.
    """
    height, width = canvas.shape[:2]
    left, right = max(int(np.floor(x0)), 0), min(int(np.ceil(x1)) + 1, width)
    top, bottom = max(int(np.floor(y0)), 0), min(int(np.ceil(y1)) + 1, height)
    if left >= right or top >= bottom:
        return None
    xs = np.arange(left, right, dtype=np.float32)[None]
    ys = np.arange(top, bottom, dtype=np.float32)[:, None]
    return (slice(top, bottom), slice(left, right)), xs, ys


def blend(
    canvas: np.ndarray,
    labels: np.ndarray | None,
    where: tuple[slice, slice],
    color: np.ndarray,
    alpha: np.ndarray,
    label: int,
) -> None:
    """Lays a colour over part of the canvas and writes its label.

    Args:
        canvas: (H, W, 3) canvas.
        labels: (H, W) label map or None.
        where: Slices of the part.
        color: (3,) or (h, w, 3) colour.
        alpha: (h, w) coverage, 0..1.
        label: Written where ``alpha`` is at least one half.
    """
    patch = canvas[where]
    patch += alpha[..., None] * (color - patch)
    if labels is not None:
        labels[where][alpha >= 0.5] = label


def shade(nx: np.ndarray, ny: np.ndarray) -> np.ndarray:
    """Brightness of a rounded surface with the given normal, around 0.5..1.1."""
    nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0))
    lit = nx * LIGHT[0] + ny * LIGHT[1] + nz * LIGHT[2]
    return AMBIENT + DIFFUSE * np.maximum(lit, 0)


def tube(
    canvas: np.ndarray,
    labels: np.ndarray | None,
    start: np.ndarray,
    end: np.ndarray,
    radii: Sequence[tuple[float, float]] | float,
    color: Color,
    label: int = 0,
    gain: float = 1.0,
    pattern: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    second: Color | None = None,
) -> None:
    """Draws a round, shaded limb between two points.

    Args:
        canvas: (H, W, 3) canvas.
        labels: (H, W) label map or None.
        start: (2,) first end of the axis in pixels.
        end: (2,) second end of the axis in pixels.
        radii: A radius in pixels, or pairs (position 0..1 along the axis, radius).
        color: RGB, 0..255.
        label: Written to ``labels``.
        gain: Brightness factor.
        pattern: Maps (t along the axis, s across it in -1..1) to the share, 0..1,
            of the colour ``second``.
        second: Second colour of the pattern.
    """
    if isinstance(radii, (int, float)):
        radii = ((0.0, float(radii)),)
    knots, widths = np.asarray(radii, np.float32).T
    reach = float(widths.max()) + 1
    start, end = np.asarray(start, np.float32), np.asarray(end, np.float32)
    low, high = np.minimum(start, end) - reach, np.maximum(start, end) + reach
    area = roi(canvas, *low, *high)
    if area is None:
        return
    where, xs, ys = area
    axis = end - start
    t = (xs - start[0]) * axis[0] + (ys - start[1]) * axis[1]
    t = np.clip(t / max(float(axis @ axis), 1e-6), 0, 1)
    if len(widths) == 1:
        radius = widths[0]
    else:
        radius = np.interp(t, knots, widths).astype(np.float32)
    dx, dy = xs - start[0] - t * axis[0], ys - start[1] - t * axis[1]
    distance = np.sqrt(dx * dx + dy * dy)
    alpha = np.clip(radius - distance + 0.5, 0, 1)
    inverse = 1 / np.maximum(np.maximum(radius, distance), 1e-3)
    light = gain * shade(dx * inverse, dy * inverse)
    surface = np.asarray(color, np.float32)
    if pattern is not None:
        across = (dy * axis[0] - dx * axis[1]) * inverse
        across = across / max(float(np.hypot(*axis)), 1e-3)
        share = pattern(t, across)[..., None]
        surface = surface + share * (np.asarray(second, np.float32) - surface)
    blend(canvas, labels, where, surface * light[..., None], alpha, label)


def polygon(
    canvas: np.ndarray,
    labels: np.ndarray | None,
    points: np.ndarray,
    color: Color,
    label: int = 0,
    texture: np.ndarray | None = None,
) -> None:
    """Fills a polygon.

    Args:
        canvas: (H, W, 3) canvas.
        labels: (H, W) label map or None.
        points: (N, 2) corners in pixels.
        color: RGB, 0..255.
        label: Written to ``labels``.
        texture: (H, W) brightness factors for the whole canvas, or None.
    """
    points = np.asarray(points, np.float32)
    area = roi(canvas, *(points.min(0) - 1), *(points.max(0) + 1))
    if area is None:
        return
    where, xs, ys = area
    alpha = np.zeros((ys.size, xs.size), np.uint8)
    # Sixteenths of a pixel: cv2 takes fixed-point corners.
    corners = np.round((points - (xs[0, 0], ys[0, 0])) * 16).astype(np.int32)
    cv2.fillPoly(alpha, [corners], 255, cv2.LINE_AA, 4)
    surface = np.asarray(color, np.float32)
    if texture is not None:
        surface = surface * texture[where][..., None]
    blend(canvas, labels, where, surface, alpha.astype(np.float32) / 255, label)


def ellipse(
    canvas: np.ndarray,
    labels: np.ndarray | None,
    center: Sequence[float],
    radii: Sequence[float],
    color: Color,
    label: int = 0,
    shaded: bool = True,
) -> None:
    """Draws an upright ellipse, shaded like a ball or flat.

    Args:
        canvas: (H, W, 3) canvas.
        labels: (H, W) label map or None.
        center: (x, y) in pixels.
        radii: (rx, ry) in pixels.
        color: RGB, 0..255.
        label: Written to ``labels``.
        shaded: Whether the colour falls off as on a ball.
    """
    (cx, cy), (rx, ry) = center, radii
    area = roi(canvas, cx - rx - 1, cy - ry - 1, cx + rx + 1, cy + ry + 1)
    if area is None:
        return
    where, xs, ys = area
    nx, ny = (xs - cx) / max(rx, 0.1), (ys - cy) / max(ry, 0.1)
    rho = np.sqrt(nx * nx + ny * ny)
    alpha = np.clip((1 - rho) * min(rx, ry) + 0.5, 0, 1)
    surface = np.asarray(color, np.float32)
    if shaded:
        surface = surface * shade(nx, ny)[..., None]
    blend(canvas, labels, where, surface, alpha, label)


def shadow(
    canvas: np.ndarray,
    center: Sequence[float],
    radii: Sequence[float],
    strength: float = 0.45,
) -> None:
    """Darkens the ground softly around a point.

    Args:
        canvas: (H, W, 3) canvas.
        center: (x, y) in pixels.
        radii: (rx, ry) in pixels, where the shadow has lost two thirds.
        strength: Loss of light at the centre, 0..1.
    """
    (cx, cy), (rx, ry) = center, radii
    area = roi(canvas, cx - 2 * rx, cy - 2 * ry, cx + 2 * rx, cy + 2 * ry)
    if area is None:
        return
    where, xs, ys = area
    fall = np.exp(-(((xs - cx) / rx) ** 2)) * np.exp(-(((ys - cy) / ry) ** 2))
    canvas[where] *= (1 - strength * fall)[..., None]


def noise(
    rng: np.random.Generator, size: tuple[int, int], cells: Sequence[float]
) -> np.ndarray:
    """Smooth noise of several scales.

    Args:
        rng: Random generator.
        size: (height, width) in pixels.
        cells: Size of a grid cell in pixels for each scale; larger cells weigh more.

    Returns:
        (height, width) float32, mean near 0, standard deviation near 1.
    """
    height, width = size
    total = np.zeros(size, np.float32)
    weights = np.sqrt(np.asarray(cells, np.float32))
    for cell, weight in zip(cells, weights / np.linalg.norm(weights), strict=True):
        grid = (int(height / cell) + 2, int(width / cell) + 2)
        values = rng.standard_normal(grid, dtype=np.float32)
        # Linear interpolation takes away variance that 1.5 gives back.
        total += 1.5 * weight * cv2.resize(values, (width, height))
    return total


def random_color(
    rng: np.random.Generator,
    saturation: tuple[float, float] = (0.1, 0.8),
    value: tuple[float, float] = (0.2, 0.95),
) -> np.ndarray:
    """Draws an RGB colour, 0..255, of random hue."""
    hue = rng.uniform(0, 6)
    channels = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    mixed = 1 - rng.uniform(*saturation) * (1 - channels)
    return (255 * rng.uniform(*value) * mixed).astype(np.float32)


def finish(
    rng: np.random.Generator,
    canvas: np.ndarray,
    grain: tuple[float, float] = (1, 7),
) -> np.ndarray:
    """Turns a canvas into a photograph: exposure, tint, blur and sensor noise.

    Args:
        rng: Random generator.
        canvas: (H, W, 3) canvas.
        grain: Range of the noise's standard deviation, of 255.

    Returns:
        (H, W, 3) uint8 RGB image.
    """
    tint = rng.uniform(0.92, 1.06, 3) * rng.uniform(0.82, 1.15)
    image = canvas * tint.astype(np.float32) + np.float32(rng.uniform(0, 18))
    sigma = rng.uniform(0.3, 0.9)
    image = cv2.GaussianBlur(image, (0, 0), sigma)
    speckle = rng.standard_normal(image.shape[:2], dtype=np.float32)
    image += np.float32(rng.uniform(*grain)) * speckle[..., None]
    return np.clip(image, 0, 255).round().astype(np.uint8)
