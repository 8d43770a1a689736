"""Pictures of several people among objects, and what can be seen of each person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from . import people
from .drawing import Canvas, random_color
from .people import FACE, HEAD_PART, NUM_PARTS, PART, TRUNK_PART, Figure

MIN_SIZE = (96, 96)
# Ranges of the default image size in pixels.
HEIGHTS, WIDTHS = (180, 220), (240, 300)
# Chance of one, two, ... people.
NUM_PEOPLE = (0.2, 0.35, 0.3, 0.15)
# Body height by image height; nearer people are larger and stand lower.
BODY_HEIGHT = (0.5, 0.88)
# People who overlap more than this share of the smaller box are not placed.
MAX_OVERLAP = 0.3
# People of whom less is left in sight have no keypoints, as in COCO.
MIN_VISIBLE = 0.2
# Labels: 0 is background, person i = 1, 2, ... has NUM_PARTS from i * NUM_PARTS.
OBJECT = 1


@dataclass(frozen=True)
class PersonView:
    """One person of a picture.

    Attributes:
        figure: The person in space.
        mask: (H, W) bool, the pixels that show the person.
        visible: Share of the drawn silhouette that nothing hides, 0..1.
        bbox: (4,) x, y, width, height around ``mask`` in pixels.
        flags: Joint name to 2 (visible), 1 (hidden by something or by the own body)
            or 0 (outside of the image, or on the far side of the head).
    """

    figure: Figure
    mask: np.ndarray
    visible: float
    bbox: np.ndarray
    flags: dict[str, int]


def draw_crowd(
    rng: np.random.Generator, size: Sequence[int] | None = None
) -> tuple[np.ndarray, list[PersonView]]:
    """Draw a picture of one to four people.

    Args:
        rng: Random generator.
        size: (height, width) in pixels; by chance if None.

    Returns:
        The RGB image, (H, W, 3) uint8, and its people from far to near.
    """
    height, width = size or [int(rng.integers(*r)) for r in (HEIGHTS, WIDTHS)]
    canvas = _background(rng, height, width)
    labels = canvas.labels
    placed = _place_people(rng, height, width)
    # Far things first: the lower a thing stands, the nearer it is. 0 is an object.
    things = [(foot[1], number) for number, (_, foot) in enumerate(placed, 1)]
    rows = rng.uniform(0.7, 1.1, rng.choice(3, p=(0.6, 0.3, 0.1))) * height
    things = sorted(things + [(row, 0) for row in rows])
    drawn = {}
    for row, number in things:
        if not number:
            _draw_thing(rng, canvas, row, OBJECT)
            continue
        figure, foot = placed[number - 1]
        canvas.shadow(foot, (0.22 * figure.size, 0.04 * figure.size))
        if figure.pose == "sit":
            seat = figure.joints["pelvis"][:2] + (0, 0.1 * figure.size)
            color, radii = random_color(rng), (0.09 * figure.size, 0.07 * figure.size)
            canvas.tube(seat, (seat[0], row - radii[1]), radii, color, OBJECT)
        first = number * NUM_PARTS
        people.draw_figure(canvas, figure, range(first, first + NUM_PARTS))
        drawn[number] = int((labels // NUM_PARTS == number).sum())
    views = []
    for number, area in drawn.items():
        mask, (figure, _) = labels // NUM_PARTS == number, placed[number - 1]
        if mask.any():
            bbox = np.array(cv2.boundingRect(mask.view(np.uint8)), float)
            flags = {
                name: _flag(figure, name, labels, number) for name in figure.joints
            }
            visible = int(mask.sum()) / area
            views.append(PersonView(figure, mask, visible, bbox, flags))
    return canvas.photograph(rng, (1, 5)), views


def _flag(figure: Figure, name: str, labels: np.ndarray, number: int) -> int:
    """Visibility of a joint: 0 not labelled, 1 hidden, 2 visible."""
    x, y, z = figure.joints[name]
    column, row = round(x), round(y)
    height, width = labels.shape
    if not (0 <= column < width and 0 <= row < height):
        return 0
    if name in FACE and not figure.faces_viewer(name):
        return 0
    shown = int(labels[row, column]) - number * NUM_PARTS
    side, _, joint = name.partition("_")
    if joint in PART and shown == PART[joint] + list(people.SIDES).index(side):
        return 2
    if joint in ("shoulder", "hip"):
        # The trunk shows these joints, but not those of its far side.
        middle = (figure.joints["pelvis"][2] + figure.joints["thorax"][2]) / 2
        return 2 if shown == TRUNK_PART and z > middle - 0.05 * figure.size else 1
    if joint in PART:
        return 1
    inner = (HEAD_PART,) if name in FACE else range(NUM_PARTS)
    return 2 if shown in inner else 1


def _place_people(
    rng: np.random.Generator, height: int, width: int
) -> list[tuple[Figure, tuple[float, float]]]:
    """Figures that overlap little enough to be told apart, and where they stand."""
    horizon = rng.uniform(0.02, 0.15) * height
    count = 1 + rng.choice(len(NUM_PEOPLE), p=NUM_PEOPLE)
    placed: list[tuple[Figure, tuple[float, float]]] = []
    for _ in range(8 * count):
        size = float(rng.uniform(*BODY_HEIGHT) * min(height, 0.95 * width))
        foot = (float(rng.uniform(0.05, 0.95) * width), float(horizon + size))
        figure = people.sample_figure(rng, foot, size)
        if all(_overlap(figure.box, other.box) < MAX_OVERLAP for other, _ in placed):
            placed.append((figure, foot))
        if len(placed) == count:
            break
    return placed


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Share of the smaller box that the other box covers."""
    shared = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    smaller = min(np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2]))
    return float(np.prod(np.maximum(shared, 0)) / smaller)


def _background(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """A wall over a ground, with a few things that are not people."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = random_color(rng, (0.05, 0.4), (0.4, 0.95))
    ground = random_color(rng, (0.05, 0.35), (0.3, 0.85))
    image[int(rng.uniform(0.35, 0.7) * height) :] = ground
    canvas = Canvas(image, np.zeros((height, width), np.uint8))
    for _ in range(rng.integers(2, 7)):
        _draw_thing(rng, canvas, rng.uniform(0, 0.9) * height, None)
    return canvas


def _draw_thing(
    rng: np.random.Generator, canvas: Canvas, row: float, label: int | None
) -> None:
    """Draw a crate, a barrel or a bar whose foot is in a row."""
    height, width = canvas.labels.shape
    foot = np.array([rng.uniform(0, 1) * width, row])
    half, tall = rng.uniform(0.04, 0.12) * height, rng.uniform(0.15, 0.3) * height
    color = random_color(rng, (0.05, 0.7), (0.25, 0.95))
    kind = rng.choice(["crate", "barrel", "bar"])
    if kind == "crate":
        box = np.array([[-1, -1], [1, -1], [1, 0], [-1, 0]]) * (half, tall)
        canvas.polygon(foot + box, 0.7 * color, label)
        canvas.polygon(foot + 0.8 * box - (0, 0.1 * tall), color, label)
    elif kind == "barrel":
        ends = foot - (0, half), foot - (0, tall)
        canvas.tube(*ends, (0.85 * half, half, 0.85 * half), color, label)
    else:
        end = foot + (rng.normal(0, half), -2.5 * tall)
        canvas.tube(foot, end, (0.15 * half, 0.15 * half), color, label)
