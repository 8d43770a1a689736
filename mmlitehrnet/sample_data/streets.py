"""Streets as seen from a car: the ground, what stands along it, and traffic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import people, vehicles
from .drawing import CIRCLE, Canvas, Color, pick, random_color
from .vehicles import NEAR, WHITE, View

# Class: its number in Cityscapes' labelIds; the order is that of labelTrainIds.
CLASSES = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17,
    "traffic light": 19, "traffic sign": 20, "vegetation": 21, "terrain": 22,
    "sky": 23, "person": 24, "rider": 25, "car": 26, "truck": 27, "bus": 28,
    "train": 31, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
# Labels that take no part in training and evaluation.
VOID = {"ego vehicle": 1, "out of roi": 3}
ID = CLASSES | VOID

LANE = 3.4  # width in metres
# What a street has in turn, so that rare classes are in every few pictures.
LARGE = ("bus", "truck", "train")
EDGES = ("wall", "fence", "terrain")
_FACADES = ((188, 150, 120), (170, 96, 74), (206, 196, 176), (150, 148, 146),
            (214, 186, 130), (128, 118, 112), (196, 170, 168))  # fmt: skip
_GREENS = ((74, 106, 48), (92, 120, 56), (58, 92, 52), (116, 124, 60))
_GROUND = ((112, 130, 66), (160, 150, 146), (98, 98, 102))  # grass, paving, asphalt
_BRICKS = ((148, 106, 88), (150, 148, 142))
_SKIES = ((150, 185, 230), (200, 208, 218), (190, 205, 226))
_LAMPS = ((230, 40, 30), (240, 180, 40), (40, 220, 120))
# Of a traffic sign: corners, turn of the first, rim, face.
_SIGNS = (
    (20, 0.0, (200, 24, 30), (244, 244, 240)),
    (20, 0.0, (240, 240, 240), (24, 80, 170)),
    (3, np.pi / 2, (200, 24, 30), (244, 244, 240)),
    (4, np.pi / 4, (240, 240, 240), (24, 80, 170)),
    (4, 0.0, (244, 244, 240), (240, 196, 40)),
)

END = 75.0  # where streets end ahead, in metres
Thing = tuple[float, Callable[[], None]]  # distance in metres, how to draw it


class Street(NamedTuple):
    """The plan of a street; lengths in metres, x to the right of the camera.

    Attributes:
        kerb: Edge of the road on side -1 (left) and 1 (right).
        line: Where the buildings of each side begin.
        walk: Width of the sidewalks.
        zebra: Distance of the zebra crossing and its traffic lights.
    """

    kerb: dict[int, float]
    line: dict[int, float]
    walk: float
    zebra: float


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
    center = (rng.uniform(0.38, 0.62) * width, rng.uniform(0.40, 0.48) * height)
    labels = np.full((height, width), ID["sky"], np.uint8)
    focal = rng.uniform(0.82, 1.0) * width
    view = View(rng, Canvas(image, labels), focal, center, rng.uniform(1.25, 1.6))
    kerb = {-1: -rng.uniform(1.5, 2.7) * LANE - 0.4, 1: rng.uniform(0.6, 1.2) * LANE}
    edge, walk = EDGES[number // 2 % len(EDGES)], rng.uniform(2.2, 3.8)
    grass = rng.uniform(1.5, 4.0) if edge == "terrain" else 0.0
    line = {side: x + side * (walk + grass) for side, x in kerb.items()}
    street = Street(kerb, line, walk, rng.uniform(14, 35))
    _ground(view, street)
    for side in (-1, 1):
        _roadside(view, side, line[side], edge)
    things = _furniture(view, street) + _on_foot(view, street)
    things += _traffic(view, street, number)
    for _, draw in sorted(things, key=lambda thing: -thing[0]):
        draw()
    image = view.canvas.photograph(rng, (0.5, 3.5))
    _own_car(rng, Canvas(image, labels))
    return image, labels


def _ground(view: View, street: Street) -> None:
    """The skyline, and road, sidewalks and grass with markings."""

    def flat(
        x0: float,
        x1: float,
        color: Color,
        label: str,
        z0: float = NEAR,
        z1: float = 400,
    ) -> None:
        corners = [(x0, 0, z0), (x1, 0, z0), (x1, 0, z1), (x0, 0, z1)]
        view.polygon(corners, color, ID[label])

    for x in np.arange(-110, 110, 8.0):
        top = view.rng.uniform(5, 15)
        if view.rng.random() < 0.5:
            _house(view, [(x, 0, END), (x + 9, 0, END)], top)
        else:
            _foliage(view, (x, 3, END), (6, 0.4 * top))
    grass, paving, asphalt = (pick(view.rng, (color,)) for color in _GROUND)
    left, right = street.kerb.values()
    flat(-400, 400, grass, "terrain")
    flat(left - street.walk, right + street.walk, paving, "sidewalk")
    flat(left - 0.15, right + 0.15, paving * 1.15, "sidewalk")
    flat(left, right, asphalt, "road")
    for z in np.arange(view.rng.uniform(1, 4), END, 6):
        if abs(z - street.zebra) > 4:
            flat(-LANE / 2 - 0.07, -LANE / 2 + 0.07, WHITE, "road", z, z + 3)
    for x in np.arange(left + 0.3, right - 0.6, 1.0):
        flat(x, x + 0.5, WHITE, "road", street.zebra, street.zebra + 3)


def _house(view: View, ends: ArrayLike, top: float) -> None:
    """An upright house front between two points of the ground, with windows."""
    first, last = np.array(ends, float)
    length = float(np.linalg.norm(last - first))
    color = pick(view.rng, _FACADES)

    def patches(
        starts: np.ndarray, wide: float, bottoms: np.ndarray, high: float, tone
    ) -> None:
        """Equal rectangles at each of the places along and up, in metres."""
        u, v = (grid.ravel()[:, None] for grid in np.meshgrid(starts, bottoms))
        u = u + np.array([0, wide, wide, 0])
        v = v + np.array([0, 0, high, high])
        corners = first + (u / length)[..., None] * (last - first)
        corners[..., 1] += v
        view.canvas.polygon(view.project(corners), tone, ID["building"])

    zero = np.zeros(1)
    patches(zero, length, zero, top, color)
    patches(zero, length, zero + top - 0.8, 0.8, pick(view.rng, ((112, 62, 50),)))
    pitch, floor = view.rng.uniform(2.0, 3.2), view.rng.uniform(2.9, 3.6)
    columns = np.arange(max(int(length / pitch), 1)) * pitch
    glass, frame = (
        pick(view.rng, (vehicles.GLASS,)),
        color * view.rng.choice([0.7, 1.2]),
    )
    floors = np.arange(1, int(top / floor)) * floor
    if len(floors):
        patches(columns + 0.4, pitch - 0.8, floors + 0.7, 1.8, frame)
        patches(columns + 0.55, pitch - 1.1, floors + 0.85, 1.5, glass)
    if view.rng.random() < 0.4:
        patches(columns + 0.15, pitch - 0.3, zero + 0.4, 2.0, glass)
        patches(zero, length, zero + 2.6, 0.5, random_color(view.rng, (0.3, 0.9)))
    else:
        patches(columns[::2] + 0.6, 1.1, zero, 2.2, color * 0.4)


def _roadside(view: View, side: int, x: float, edge: str) -> None:
    """Houses, walls, fences and parks along one side, from far to near."""
    rng = view.rng
    places = np.cumsum([rng.uniform(2, 4), *rng.uniform(7, 18, 7)])
    kinds = rng.choice(["house", "park", edge], 7, p=(0.75, 0.15, 0.1))
    kinds[int(rng.choice([-3, -2]))] = edge
    for start, stop, kind in zip(places[-2::-1], places[:0:-1], kinds, strict=True):
        ends = np.array([(x, 0, start), (x, 0, stop)])
        if kind == "house":
            top = rng.uniform(8, 18)
            _house(view, [ends[0], ends[0] + (side * 12, 0, 0)], top)
            _house(view, ends, top)
            continue
        for depth in (8, 4, 2):
            for at in np.arange(stop, start, -3.5):
                up = rng.uniform(1.5, 3) if depth > 2 else 0.8
                where = (x + side * (depth + rng.uniform(-1, 1)), 0.9 * up, at)
                _foliage(view, where, (rng.uniform(1.8, 3), up))
        if kind in ("wall", "fence"):
            _barrier(view, ends, rng.uniform(1.2, 2.4), kind)


def _barrier(view: View, ends: np.ndarray, top: float, label: str) -> None:
    """A wall of stones or a fence of bars between two points of the ground."""
    whole = np.vstack([ends, ends[::-1] + [0, top, 0]])
    if label == "wall":
        color = pick(view.rng, _BRICKS)
        view.polygon(whole, color, ID[label])
        for up in np.arange(0.2, top, 0.25):
            start, stop = ends + [0, up, 0]
            view.tube(start, stop, 0.02, 0.75 * color, ID[label])
        return
    # The label covers what shows between the bars, as in Cityscapes.
    view.polygon(whole, None, ID[label])
    color = random_color(view.rng, (0.0, 0.4), (0.15, 0.6))
    for share in np.arange(0, 1, 0.35 / (ends[1, 2] - ends[0, 2])):
        foot = ends[0] + share * (ends[1] - ends[0])
        view.tube(foot, foot + [0, top, 0], 0.02, color, ID[label])
    for up in (0.15, top):
        start, stop = ends + [0, up, 0]
        view.tube(start, stop, 0.035, color, ID[label])


def _foliage(view: View, center: ArrayLike, radii: ArrayLike) -> None:
    """Leaves around a point, ``radii`` (across, up) in metres."""
    green, label = pick(view.rng, _GREENS), ID["vegetation"]
    view.disc(center, radii, 0.7 * green, label)
    for turn, reach in view.rng.uniform(0, 1, (12, 2)) * (2 * np.pi, 0.8):
        offset = reach * np.array([np.cos(turn), np.sin(turn)]) * radii
        tone = green * (0.95 + 0.3 * np.sin(turn) * reach)
        at = np.array(center, float) + [*offset, 0]
        view.disc(at, np.array(radii) * view.rng.uniform(0.2, 0.4), tone, label)


def _furniture(view: View, street: Street) -> list[Thing]:
    """Trees, lamps, traffic lights and signs along the sidewalks."""
    things: list[Thing] = []
    for side, kerb in street.kerb.items():
        x, rng = kerb + side * 0.6, view.rng
        for z in np.arange(rng.uniform(5, 12), 60, rng.uniform(9, 15)):
            draw = _tree if rng.random() < 0.4 else _lamp
            things.append((z, partial(draw, view, x, z, side)))
        things.append((street.zebra, partial(_lights, view, x, street.zebra, side)))
        for z in (rng.uniform(6, 12), rng.uniform(12, 30)):
            things.append((z, partial(_sign, view, x, z)))
    return things


def _tree(view: View, x: float, z: float, side: int) -> None:
    trunk = view.rng.uniform(2.2, 3.2)
    view.shadow(x, z, 1.0)
    view.tube((x, 0, z), (x, trunk + 1, z), 0.14, (86, 70, 56), ID["vegetation"])
    radii = view.rng.uniform(1.4, 2.2, 2)
    _foliage(view, (x, trunk + radii[1] * 0.7, z), radii)


def _lamp(view: View, x: float, z: float, side: int) -> None:
    top, gray = view.rng.uniform(5, 7.5), pick(view.rng, ((112, 114, 116),))
    view.tube((x, 0, z), (x, top, z), 0.09, gray, ID["pole"])
    view.tube((x, top, z), (x - side * 1.8, top + 0.3, z), 0.07, gray, ID["pole"])


def _lights(view: View, x: float, z: float, side: int) -> None:
    """A pole with a traffic light."""
    view.tube((x, 0, z), (x, 3.6, z), 0.08, (96, 98, 100), ID["pole"])
    label, at, lit = ID["traffic light"], x - side * 0.22, view.rng.integers(3)
    box = np.array([[-0.2, -0.5], [0.2, -0.5], [0.2, 0.5], [-0.2, 0.5]]) + (at, 3.0)
    view.polygon(np.insert(box, 2, z, axis=1), (30, 32, 34), label)
    for index, color in enumerate(_LAMPS):
        glow = np.array(color) * (1.0 if index == lit else 0.25)
        view.disc((at, 3.3 - 0.3 * index, z), (0.13, 0.13), glow, label)


def _sign(view: View, x: float, z: float) -> None:
    """A traffic sign on a pole."""
    up, radius = view.rng.uniform(2.1, 2.7), view.rng.uniform(0.36, 0.5)
    view.tube((x, 0, z), (x, up + 0.3, z), 0.045, (130, 132, 134), ID["pole"])
    corners, start, rim, face = _SIGNS[int(view.rng.integers(len(_SIGNS)))]
    angles = start + np.arange(corners) * 2 * np.pi / corners
    for share, color in ((1.0, rim), (0.72, face), (0.28, 0.5 * np.array(rim))):
        outline = np.stack([np.cos(angles), np.sin(angles), 0 * angles], 1)
        view.polygon(share * radius * outline + (x, up, z), color, ID["traffic sign"])


def _on_foot(view: View, street: Street) -> list[Thing]:
    """People and parked two-wheelers on the sidewalks."""
    things: list[Thing] = []
    rng = view.rng
    for kind in ["person"] * rng.integers(4, 10) + ["bicycle", "motorcycle"]:
        side, z = int(rng.choice([-1, 1])), float(rng.uniform(5, 22))
        x = street.kerb[side] + side * rng.uniform(0.5, street.walk - 0.3)
        turn = float(rng.choice([0, 180]) + rng.normal(0, 30))
        draw = partial(vehicles.draw_two_wheeler, view, kind, x, z, turn, ID[kind])
        person = partial(_person, view, x, z, turn)
        things.append((z, person if kind == "person" else draw))
    return things


def _person(view: View, x: float, z: float, yaw: float) -> None:
    pose = str(view.rng.choice(["walk", "walk", "stand", "wave", "akimbo"]))
    size, foot = view.rng.uniform(1.55, 1.9) * view.focal / z, view.project((x, 0, z))
    figure = people.sample_figure(view.rng, (foot[0], foot[1]), size, pose, yaw)
    view.shadow(x, z, 0.4)
    people.draw_figure(view.canvas, figure, ID["person"], one_label=True)


def _traffic(view: View, street: Street, number: int) -> list[Thing]:
    """Vehicles that drive and park."""
    things: list[Thing] = []
    taken: list[tuple[float, float, float]] = []

    def put(kind: str | None, x: float, z: float, heading: float) -> None:
        """Add a vehicle, any car if None, where there is room for it."""
        kind = kind or str(view.rng.choice(vehicles.CARS))
        vehicle = vehicles.VEHICLES[kind]
        heading += view.rng.normal(0, 2)
        reach = max(vehicle.size[0] / 2 * abs(np.cos(np.radians(heading))), 1.2)
        clear = all(
            abs(x - other) > 2.3 or abs(z - at) > reach + room + 1
            for other, at, room in taken
        )
        if clear and z - reach > 3.5:
            taken.append((x, z, reach))
            where = (x, z, heading, ID[vehicle.label])
            draw = partial(vehicles.draw_vehicle, view, kind, *where)
            things.append((z, draw))

    rng = view.rng
    large, kind = LARGE[number % 3], list(vehicles.TWO_WHEELERS)[number % 2]
    z = vehicles.VEHICLES[large].size[0] / 2 + rng.uniform(7, 16)
    put(large, *((-LANE, z, 180) if rng.random() < 0.5 else (0.0, z, 0)))
    left, right = street.kerb.values()
    x, heading = (right - 0.8, 0) if rng.random() < 0.5 else (1.2 - LANE, 180)
    z = rng.uniform(6.5, 12)
    taken.append((x, z, 1.5))
    where = (x, z, heading, ID[kind], ID["rider"])
    things.append((z, partial(vehicles.draw_two_wheeler, view, kind, *where)))
    rows = ((0.0, 0), (-LANE, 180), (right - 1.05, 0), (left + 1.05, 180))
    for x, heading in rows:
        for z in np.cumsum(rng.uniform(6, 20, 4)) + 4:
            put(None, x + rng.normal(0, 0.2), float(z), heading)
    return things


def _own_car(rng: np.random.Generator, canvas: Canvas) -> None:
    """The bonnet of the camera's car, and a frame that Cityscapes does not label."""
    height, width = canvas.labels.shape
    center = (rng.uniform(0.45, 0.55) * width, 1.02 * height)
    paint, bonnet = pick(rng, ((56, 58, 64),)), ID["ego vehicle"]
    shape = CIRCLE * (0.75 * width, rng.uniform(0.06, 0.1) * height) + center
    canvas.polygon(shape, paint, bonnet)
    rim = max(height // 128, 1)
    frame = np.ones(canvas.labels.shape, bool)
    frame[rim:-rim, rim:-rim] = False
    canvas.labels[frame] = ID["out of roi"]
