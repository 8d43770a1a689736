"""Pictures of several people among objects, and what can be seen of each person."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mmlitehrnet.sample_data import drawing, people
from mmlitehrnet.sample_data.people import FACE, PART_INDEX, PARTS, SHOWN_BY, Figure

MIN_SIZE = (96, 96)
# Ranges of the default image size in pixels.
HEIGHTS, WIDTHS = (240, 300), (320, 400)
NUM_PEOPLE = (1, 2, 3, 4, 5)
NUM_PEOPLE_WEIGHTS = (0.12, 0.24, 0.30, 0.22, 0.12)
# Body height by image height; nearer people are larger and stand lower.
BODY_HEIGHT = (0.38, 0.82)
# People who overlap more than this share of the smaller box are not placed.
MAX_OVERLAP = 0.45
# People of whom less is left in sight have no keypoints, as in COCO.
MIN_VISIBLE = 0.2

# Labels of the label map. The parts of person i start at (i + 1) * STRIDE.
BACKGROUND, OBJECT = 0, 1
STRIDE = 64


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


def sample_size(rng: np.random.Generator) -> tuple[int, int]:
    """Draws an image size (height, width) in pixels."""
    return int(rng.integers(*HEIGHTS, endpoint=True)), int(
        rng.integers(*WIDTHS, endpoint=True)
    )


def draw_crowd(
    rng: np.random.Generator, size: tuple[int, int] | None = None
) -> tuple[np.ndarray, list[PersonView]]:
    """Draws a picture of one to five people.

    Args:
        rng: Random generator.
        size: (height, width) in pixels; by chance if None.

    Returns:
        The RGB image, (H, W, 3) uint8, and its people from far to near.
    """
    height, width = size or sample_size(rng)
    canvas = _background(rng, height, width)
    labels = np.zeros((height, width), np.int32)
    figures = _place_people(rng, height, width)
    objects = _place_objects(rng, height, width)
    # Far things first: the lower a thing stands, the nearer it is.
    things = [(foot[1], index, foot) for index, (_, foot) in enumerate(figures)]
    things += [(row, None, item) for row, item in objects]
    drawn_area = {}
    for _, index, item in sorted(things, key=lambda thing: thing[0]):
        if index is None:
            _draw_object(canvas, labels, item)
            continue
        figure, foot = figures[index]
        drawing.shadow(canvas, foot, (0.22 * figure.size, 0.05 * figure.size))
        if people.POSES[figure.pose].seated:
            _draw_stool(rng, canvas, labels, figure, foot)
        people.draw_figure(canvas, labels, figure, (index + 1) * STRIDE)
        drawn_area[index] = np.count_nonzero(labels // STRIDE == index + 1)
    views = []
    for _, index, _ in sorted(things, key=lambda thing: thing[0]):
        if index is not None and drawn_area[index]:
            view = _view(figures[index][0], labels, index, drawn_area[index])
            if view is not None:
                views.append(view)
    return drawing.finish(rng, canvas), views


def _view(
    figure: Figure, labels: np.ndarray, index: int, drawn: int
) -> PersonView | None:
    """Reads off the label map what is seen of a person; None if nothing is."""
    mask = labels // STRIDE == index + 1
    area = np.count_nonzero(mask)
    if not area:
        return None
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return PersonView(
        figure=figure,
        mask=mask,
        visible=area / drawn,
        bbox=np.array([x, y, width, height], float),
        flags={
            name: _flag(figure, name, point, labels, (index + 1) * STRIDE)
            for name, point in figure.joints.items()
        },
    )


def _flag(
    figure: Figure, name: str, point: np.ndarray, labels: np.ndarray, first: int
) -> int:
    """Visibility of a joint: 0 not labelled, 1 hidden, 2 visible."""
    column, row = np.round(point[:2]).astype(int)
    height, width = labels.shape
    if not (0 <= column < width and 0 <= row < height):
        return 0
    if name in FACE and not people.faces_viewer(figure, name):
        return 0
    part = labels[row, column] - first
    if not 0 <= part < len(PARTS):
        return 1
    if name not in SHOWN_BY:  # the joints of MPII inside trunk and head
        return 2
    if part not in SHOWN_BY[name]:
        return 1
    if part in (PART_INDEX["trunk"], PART_INDEX["pelvis"]):
        middle = (figure.joints["pelvis"][2] + figure.joints["thorax"][2]) / 2
        return 2 if point[2] > middle - people.TRUNK_HIDES * figure.size else 1
    return 2


def _place_people(
    rng: np.random.Generator, height: int, width: int
) -> list[tuple[Figure, tuple[float, float]]]:
    """Draws figures that overlap little enough to be told apart."""
    horizon = rng.uniform(0.05, 0.28) * height
    count = rng.choice(NUM_PEOPLE, p=NUM_PEOPLE_WEIGHTS)
    placed: list[tuple[Figure, tuple[float, float]]] = []
    for attempt in range(8 * count):
        if len(placed) == count:
            break
        size = rng.uniform(*BODY_HEIGHT) * min(height, 0.95 * width)
        child = rng.random() < 0.12
        foot = (
            float(rng.uniform(0.02, 0.98) * width),
            float(horizon + 1.02 * size + rng.uniform(-0.03, 0.03) * height),
        )
        figure = people.sample_figure(rng, foot, size * (0.75 if child else 1.0))
        if attempt == 0 or all(
            _overlap(figure, other) < MAX_OVERLAP for other, _ in placed
        ):
            placed.append((figure, foot))
    return placed


def _overlap(first: Figure, second: Figure) -> float:
    """Share of the smaller box that the other box covers."""
    a, b = first.box, second.box
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = np.prod(np.maximum(high - low, 0))
    return float(shared / min(np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2])))


def _background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A textured wall over a textured ground, cluttered with shapes."""
    size = (height, width)
    wall = drawing.random_color(rng, (0.05, 0.4), (0.4, 0.95))
    ground = drawing.random_color(rng, (0.05, 0.35), (0.3, 0.85))
    ys = np.arange(height, dtype=np.float32)[:, None]
    xs = np.arange(width, dtype=np.float32)[None]
    edge = rng.uniform(0.35, 0.7) * height + rng.uniform(-0.08, 0.08) * (xs - width / 2)
    share = np.clip(ys - edge, 0, 1)[..., None]
    canvas = wall + share * (ground - wall)
    coarse = drawing.noise(rng, size, (90, 30, 10))
    fine = drawing.noise(rng, size, (5, 2.5))
    canvas *= (1 + rng.uniform(0.02, 0.08) * coarse)[..., None]
    canvas *= (1 + rng.uniform(0.02, 0.06) * fine)[..., None]
    canvas *= (1.0 + rng.uniform(-0.25, 0.25) * (ys / height - 0.5))[..., None]
    pattern = rng.choice(["none", "boards", "tiles", "none"])
    if pattern != "none":
        pitch = rng.uniform(14, 40)
        lines = np.abs((xs + 0 * ys) % pitch) < 1.2
        if pattern == "tiles":
            lines = lines | (np.abs((ys + 0 * xs) % (0.6 * pitch)) < 1.2)
        canvas *= (1 - rng.uniform(0.1, 0.3) * lines * (1 - share[..., 0]))[..., None]
    for _ in range(rng.integers(4, 12)):
        _clutter(rng, canvas)
    return canvas.astype(np.float32)


def _clutter(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Draws one thing that is not a person: a patch, a blob, a bar or a wire."""
    height, width = canvas.shape[:2]
    center = rng.uniform(0, 1, 2) * (width, 0.9 * height)
    extent = rng.uniform(0.04, 0.22, 2) * height
    kind = rng.choice(["patch", "frame", "blob", "bar", "bar", "limb", "wire"])
    color = drawing.random_color(rng, (0.05, 0.7), (0.2, 0.95))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * extent + center
    angle = rng.uniform(0, np.pi)
    step = np.array([np.cos(angle), np.sin(angle)]) * extent.max() * 1.2
    if kind == "patch":
        drawing.polygon(canvas, None, corners, color)
    elif kind == "frame":
        drawing.polygon(canvas, None, corners, color * 0.5)
        inner = (corners - center) * 0.85 + center
        drawing.polygon(canvas, None, inner, color)
    elif kind == "blob":
        drawing.ellipse(canvas, None, center, extent * 0.7, color)
    elif kind == "bar":
        thick = float(rng.uniform(0.01, 0.035) * height)
        drawing.tube(canvas, None, center - step, center + step, thick, color)
    elif kind == "limb":
        # The colours and widths of arms and legs, so that these alone say little.
        skin = people.SKINS[rng.integers(len(people.SKINS))]
        thick = float(rng.uniform(0.01, 0.025) * height)
        turn = rng.normal(0, 0.5 * extent.max(), 2)
        drawing.tube(canvas, None, center - step, center, thick, skin)
        drawing.tube(canvas, None, center, center + step + turn, thick, skin)
    else:
        ends = np.array([center - 3 * step, center + 3 * step])
        drawing.tube(canvas, None, *ends, 0.8, color * 0.5)


def _place_objects(rng: np.random.Generator, height: int, width: int) -> list:
    """Draws what may stand before people: (row of the foot, object)."""
    objects = []
    for _ in range(rng.choice(3, p=(0.35, 0.4, 0.25))):
        row = rng.uniform(0.7, 1.1) * height
        kind = str(rng.choice(["crate", "post", "plant", "barrel"]))
        tall = rng.uniform(0.15, 0.32) * height
        wide = tall * rng.uniform(0.5, 0.9)
        if kind == "post":
            tall, wide = rng.uniform(0.5, 1.1) * height, rng.uniform(4, 10)
        column = rng.uniform(0, 1) * width
        color = drawing.random_color(rng, (0.1, 0.7), (0.25, 0.85))
        leaves = rng.uniform(-1, 1, (9, 2))
        objects.append((row, (kind, column, row, wide, tall, color, leaves)))
    return objects


def _draw_object(canvas: np.ndarray, labels: np.ndarray, item: tuple) -> None:
    """Draws an object of ``_place_objects``."""
    kind, x, y, wide, tall, color, leaves = item
    half = wide / 2
    drawing.shadow(canvas, (x, y), (0.8 * wide, 0.1 * wide + 3))
    if kind == "crate":
        box = np.array([[-half, -tall], [half, -tall], [half, 0], [-half, 0]])
        lid = np.array([[-half, -tall], [half, -tall], [0.8 * half, -1.12 * tall]])
        lid = np.vstack([lid, [-0.8 * half, -1.12 * tall]])
        drawing.polygon(canvas, labels, lid + (x, y), color * 1.15, OBJECT)
        drawing.polygon(canvas, labels, box + (x, y), color * 0.7, OBJECT)
        inner = box * (0.84, 0.84) + (x, y - 0.08 * tall)
        drawing.polygon(canvas, labels, inner, color * 0.9, OBJECT)
    elif kind == "post":
        drawing.tube(canvas, labels, (x, y), (x, y - tall), half, color, OBJECT)
    elif kind == "barrel":
        profile = ((0, 0.85 * half), (0.5, half), (1, 0.85 * half))
        drawing.tube(
            canvas, labels, (x, y - half), (x, y - tall), profile, color, OBJECT
        )
    else:
        drawing.tube(
            canvas, labels, (x, y), (x, y - 0.4 * tall), 0.5 * half, color, OBJECT
        )
        green = np.array([70, 120, 50], np.float32)
        for dx, dy in leaves:
            at = (x + 0.7 * dx * half, y - 0.7 * tall + 0.3 * dy * tall)
            tone = green * (1 + 0.25 * dy)
            drawing.ellipse(canvas, labels, at, (0.5 * half, 0.13 * tall), tone, OBJECT)


def _draw_stool(
    rng: np.random.Generator,
    canvas: np.ndarray,
    labels: np.ndarray,
    figure: Figure,
    foot: tuple[float, float],
) -> None:
    """Draws a stool under a seated figure."""
    color = drawing.random_color(rng, (0.1, 0.6), (0.2, 0.8))
    x, y = figure.joints["pelvis"][:2]
    y += 0.05 * figure.size
    half = 0.10 * figure.size
    for step in (-0.8, 0.8):
        leg = ((x + step * half, y), (x + 1.1 * step * half, foot[1]))
        drawing.tube(canvas, labels, *leg, 0.012 * figure.size, color * 0.6, OBJECT)
    seat = ((x - half, y), (x + half, y))
    drawing.tube(canvas, labels, *seat, 0.025 * figure.size, color, OBJECT)
