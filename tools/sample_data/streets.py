"""Streets as seen from a car: the ground, what stands along it, and traffic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from . import traffic
from .drawing import CIRCLE, Canvas, pick
from .traffic import GLASS, ID, WHITE, View

LANE, END = 3.4, 75.0  # width of a lane and length of a street in metres
# What a street has in turn, so that rare classes are in every few pictures.
LARGE, RIDERS = ("bus", "truck", "train"), ("cyclist", "motorcyclist")
EDGES = ("wall", "fence", "terrain")
SIGNS = ("no entry", "parking", "warning", "priority")
CARS = ("hatchback", "saloon", "estate")
_FACADES = ((188, 150, 120), (170, 96, 74), (206, 196, 176), (150, 148, 146),
            (214, 186, 130), (128, 118, 112), (196, 170, 168))  # fmt: skip
_GROUND = ((150, 164, 84), (160, 150, 146), (98, 98, 102))  # grass, paving, asphalt
_BRICKS = ((112, 62, 48), (96, 88, 82))
_SKIES = ((150, 185, 230), (200, 208, 218), (190, 205, 226))


def draw_street(
    rng: np.random.Generator, size: Sequence[int], number: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a street.

    Args:
        rng: Random generator.
        size: (height, width) in pixels.
        number: Number of the picture; it chooses the rarer things to be seen.

    Returns:
        The RGB image, (H, W, 3) uint8, and the label ids, (H, W) uint8.
    """
    height, width = size
    image = np.empty((height, width, 3), np.uint8)
    brightness = np.linspace(0.85, 1.25, height)[:, None, None]
    image[:] = np.minimum(brightness * pick(rng, _SKIES), 255)
    labels = np.full((height, width), ID["sky"], np.uint8)
    center = (rng.uniform(0.38, 0.62) * width, rng.uniform(0.40, 0.48) * height)
    focal = rng.uniform(0.82, 1.0) * width
    view = View(rng, Canvas(image, labels), focal, center, rng.uniform(1.25, 1.6))
    # The kerb of the left side (-1) and of the right one, in metres from the camera.
    kerbs = {-1: -rng.uniform(1.9, 2.4) * LANE, 1: rng.uniform(0.95, 1.25) * LANE}
    walk, zebra = rng.uniform(3, 5), rng.uniform(9, 22)
    edge = EDGES[number // 2 % len(EDGES)]
    grass = rng.uniform(1.5, 4.0) if edge == "terrain" else 0.0
    _draw_ground(view, kerbs, walk, zebra)
    for side, kerb in kerbs.items():
        _draw_roadside(view, side, kerb + side * (walk + grass), edge)
    things = _beside_the_road(rng, kerbs, walk, zebra)
    things += _on_the_road(rng, kerbs, number)
    for z, kind, x, heading in sorted(things, reverse=True):
        traffic.draw(view, kind, x, z, heading)
    image = view.canvas.photograph(rng, (0.5, 3.5))
    # The bonnet of the camera's car, and a frame that Cityscapes does not label.
    bonnet = CIRCLE * (0.75 * width, rng.uniform(0.06, 0.1) * height)
    bonnet += (rng.uniform(0.45, 0.55) * width, 1.02 * height)
    Canvas(image, labels).polygon(bonnet, (56, 58, 64), ID["ego vehicle"])
    rim = max(height // 128, 1)
    inside = labels[rim:-rim, rim:-rim].copy()
    labels[:] = ID["out of roi"]
    labels[rim:-rim, rim:-rim] = inside
    return image, labels


def _draw_ground(
    view: View, kerbs: dict[int, float], walk: float, zebra: float
) -> None:
    """The skyline, and road, sidewalks and grass with markings."""

    def flat(x0, x1, color, label, z0=traffic.NEAR, z1=400.0) -> None:
        corners = [(x0, 0, z0), (x1, 0, z0), (x1, 0, z1), (x0, 0, z1)]
        view.polygon(corners, color, label)

    for x in np.arange(-110, 110, 8.0):
        if view.rng.random() < 0.5:
            _draw_house(view, (x, 0, END), (x + 9, 0, END), view.rng.uniform(7, 15))
        else:
            traffic.draw_leaves(view, (x, 3, END), (6, view.rng.uniform(2, 6)))
    grass, paving, asphalt = (pick(view.rng, (color,)) for color in _GROUND)
    left, right = kerbs.values()
    flat(-400, 400, grass, "terrain")
    flat(left - walk, right + walk, paving, "sidewalk")
    flat(left - 0.15, right + 0.15, paving * 1.15, "sidewalk")
    flat(left, right, asphalt, "road")
    for z in np.arange(view.rng.uniform(1, 4), END, 6):
        flat(-LANE / 2 - 0.07, -LANE / 2 + 0.07, WHITE, "road", z, z + 3)
    for x in np.arange(left + 0.3, right - 0.6, 1.0):
        flat(x, x + 0.5, WHITE, "road", zebra, zebra + 3)


def _draw_house(view: View, start: ArrayLike, stop: ArrayLike, top: float) -> None:
    """An upright front between two points of the ground, with windows and doors."""
    start, along = np.array(start, float), np.subtract(stop, start)
    length = float(np.linalg.norm(along))
    color, glass = pick(view.rng, _FACADES), pick(view.rng, (GLASS,))

    def fill(tone, places, wide: float, floors, high: float) -> None:
        """Equal rectangles at each of the places along and up, in metres."""
        u, v = (grid.reshape(-1, 1) for grid in np.meshgrid(places, floors))
        u, v = u + (0, wide, wide, 0), v + (0, 0, high, high)
        corners = start + u[..., None] * along / length + v[..., None] * (0, 1, 0)
        view.polygon(corners, tone, "building")

    pitch, floor = view.rng.uniform(2.0, 3.2), view.rng.uniform(2.9, 3.6)
    places, floors = np.arange(0, length - 1, pitch), np.arange(floor, top - 2, floor)
    fill(color, 0, length, 0, top)
    fill((112, 62, 50), 0, length, top - 0.8, 0.8)
    fill(color * view.rng.choice([0.7, 1.2]), places + 0.4, pitch - 0.8, floors, 1.8)
    fill(glass, places + 0.55, pitch - 1.1, floors + 0.15, 1.5)
    fill(color * 0.4, places[::2] + 0.6, 1.1, 0, 2.2)


def _draw_roadside(view: View, side: int, x: float, edge: str) -> None:
    """Houses, walls, fences and parks along one side, from far to near."""
    rng = view.rng
    places = np.cumsum([rng.uniform(2, 4), *rng.uniform(7, 18, 7)])
    kinds = rng.choice(["house", "park", edge], 7, p=(0.75, 0.15, 0.1))
    kinds[rng.choice([1, 2])] = edge
    for start, stop, kind in list(zip(places, places[1:], kinds, strict=False))[::-1]:
        if kind == "house":
            top = rng.uniform(8, 18)
            _draw_house(view, (x, 0, start), (x + side * 12, 0, start), top)
            _draw_house(view, (x, 0, start), (x, 0, stop), top)
            continue
        for z in np.arange(stop, start, -3.5):
            for depth, up in ((8, 3.0), (4, 2.0), (2, 0.8)):
                up *= rng.uniform(0.7, 1)
                at = (x + side * (depth + rng.uniform(-1, 1)), 0.9 * up, z)
                traffic.draw_leaves(view, at, (rng.uniform(1.8, 3), up))
        if kind in ("wall", "fence"):
            _draw_barrier(view, x, start, stop, kind)


def _draw_barrier(view: View, x: float, start: float, stop: float, label: str) -> None:
    """A wall of stones or a fence of bars along the street."""
    top, wall = view.rng.uniform(1.6, 2.8), label == "wall"
    color = pick(view.rng, _BRICKS if wall else ((70, 66, 60),))
    whole = [(x, 0, start), (x, 0, stop), (x, top, stop), (x, top, start)]
    # The label covers what shows between the bars, as in Cityscapes.
    view.polygon(whole, color if wall else None, label)
    if wall:
        bars = [[(x, y, start), (x, y, stop)] for y in np.arange(0.2, top, 0.25)]
    else:
        bars = [[(x, 0, z), (x, top, z)] for z in np.arange(start, stop, 0.35)]
    for bar in bars:
        view.bars(np.array(bar), 0.025, 0.75 * color, label)


Thing = tuple[float, str, float, float]  # z, kind, x, heading as ``traffic.draw`` has


def _beside_the_road(
    rng: np.random.Generator, kerbs: dict[int, float], walk: float, zebra: float
) -> list[Thing]:
    """What stands along the kerbs, and who is on the sidewalks."""
    things: list[Thing] = []
    for side, kerb in kerbs.items():
        row = np.arange(rng.uniform(5, 12), 60, rng.uniform(9, 15))
        kinds = ["lights", *rng.choice(SIGNS, 2)]
        kinds += list(rng.choice(["tree", "lamp"], len(row), p=(0.4, 0.6)))
        places = [zebra, rng.uniform(6, 12), rng.uniform(10, 22), *row]
        for z, kind in zip(places, kinds, strict=True):
            things.append((z, kind, kerb + side * 0.6, -90 * side))
    for kind in ["person"] * rng.integers(4, 10) + ["bicycle", "motorcycle"]:
        side, heading = int(rng.choice([-1, 1])), rng.choice([0, 180])
        x = kerbs[side] + side * rng.uniform(0.5, walk - 0.3)
        things.append((rng.uniform(5, 22), kind, x, heading + rng.normal(0, 30)))
    return things


def _on_the_road(
    rng: np.random.Generator, kerbs: dict[int, float], number: int
) -> list[Thing]:
    """A rider, and four rows of vehicles that drive and park."""
    left, right = kerbs.values()
    x, heading = [(right - 0.8, 0), (-LANE / 2, 180)][rng.integers(2)]
    things: list[Thing] = [(rng.uniform(6.5, 11), RIDERS[number % 2], x, heading)]
    rows = [(0.0, 0), (-LANE, 180), (right - 1.05, 0), (left + 1.05, 180)]
    row_of_large = rng.integers(2)
    for row, (x, heading) in enumerate(rows):
        if row > 1 and rng.random() < 0.5:
            continue  # so that nothing hides the sidewalk
        kinds, z = list(rng.choice(CARS, 4)), rng.uniform(8, 18)
        if row == row_of_large:
            kinds[0] = LARGE[number % 3]
        for kind in kinds:
            turn, aside = rng.normal(0, 2), rng.normal(0, 0.2)
            things.append((z, kind, x + aside, heading + turn))
            z += traffic.VEHICLES[kind][1][0] + rng.uniform(3, 18)
    return things
