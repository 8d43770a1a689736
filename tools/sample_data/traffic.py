"""A camera over a flat street, and tables of the things that it sees.

World axes are x to the right, y up from the ground and z ahead, in metres, with the
camera over the origin. Headings are in degrees: 0 is ahead, 90 to the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike

from . import people
from .drawing import CIRCLE, Canvas, Color, pick, random_color

# Class: its number in Cityscapes' labelIds; the order is that of labelTrainIds.
CLASSES = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17,
    "traffic light": 19, "traffic sign": 20, "vegetation": 21, "terrain": 22,
    "sky": 23, "person": 24, "rider": 25, "car": 26, "truck": 27, "bus": 28,
    "train": 31, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
# The last two take no part in training and evaluation.
ID = CLASSES | {"ego vehicle": 1, "out of roi": 3}
NEAR = 0.6  # what is nearer is drawn at this distance, in metres
GLASS, DARK, GRAY = (58, 74, 88), (28, 28, 32), (92, 95, 98)
RED, WHITE, CREAM = (205, 30, 30), (240, 240, 230), (238, 226, 180)
_PAINTS = ((200, 202, 205), (60, 62, 68), (34, 36, 40), (232, 232, 230), (150, 24, 28),
           (34, 60, 118), (96, 110, 100), (176, 152, 104))  # fmt: skip
_GREENS = ((74, 106, 48), (92, 120, 56), (58, 92, 52))


class View(NamedTuple):
    """A picture in the making.

    Attributes:
        rng: Random generator.
        canvas: What is drawn on.
        focal: Focal length in pixels.
        center: (x, y) of the point at infinity straight ahead, in pixels.
        height: Height of the camera over the ground in metres.
    """

    rng: np.random.Generator
    canvas: Canvas
    focal: float
    center: tuple[float, float]
    height: float

    def project(self, points: ArrayLike) -> np.ndarray:
        """(..., 3) points in the world to (..., 2) pixels."""
        x, y, z = np.moveaxis(np.asarray(points, float), -1, 0)
        offset = np.stack([x, self.height - y], -1)
        return self.center + offset * self.focal / np.maximum(z, NEAR)[..., None]

    def polygon(self, points: ArrayLike, color: Color | None, label: str) -> None:
        """Fill (N, 3) corners, or (M, N, 3); without a colour only label them."""
        self.canvas.polygon(self.project(points), color, ID[label])

    def bars(
        self, points: np.ndarray, radius: float, color: Color | None, label: str
    ) -> None:
        """Join (N, 3) points by round bars, or draw a disc at a single one."""
        radii = np.maximum(radius * self.focal / points[:, 2], 0.4)
        pixels = self.project(points)
        if len(points) == 1:
            self.canvas.polygon(pixels + CIRCLE * radii, color, ID[label])
        for i in range(len(points) - 1):
            ends = pixels[i], pixels[i + 1], radii[i : i + 2]
            self.canvas.tube(*ends, color, ID[label])

    def shadow(self, x: float, z: float, radius: float) -> None:
        """Darken the ground around a point, ``radius`` in metres."""
        across = radius * self.focal / z
        radii = (across, max(across * self.height / z, 1.0))
        self.canvas.shadow(self.project((x, 0, z)), radii)


def _sign(corners: int, turn: float, rim: Color, face: Color) -> tuple:
    """A sign on a pole: its corners, degrees of the first, and colours."""
    angles = np.radians(turn) + 2 * np.pi / corners * np.arange(corners)
    outline = np.stack([np.cos(angles), np.sin(angles)], 1)
    layers = ((0.5, rim), (0.36, face), (0.13, np.multiply(rim, 0.5)))
    plates = (("traffic sign", c, 0, outline * r + (0, 2.4)) for r, c in layers)
    return ("pole", GRAY, 0.06, ((0, 0), (0, 2.6))), *plates


def _wheels(label: str, radius: float, tyre: float, *places: float) -> tuple:
    closed = np.vstack([CIRCLE, CIRCLE[:1]]) * radius
    # Cityscapes counts what shows between the spokes as part of the wheel.
    looks = ((None, 0), (DARK, tyre))
    return tuple((label, *look, closed + (x, radius)) for look in looks for x in places)


# Flat upright things, from back to front: class, colour ("paint" is one by chance, None
# only labels), radius of bars and discs (0 fills a polygon), and (along, up) in metres.
THINGS: dict[str, tuple[tuple[str, Any, float, ArrayLike], ...]] = {
    "tree": (("vegetation", (86, 70, 56), 0.14, ((0, 0), (0, 3.4))),),
    "lamp": (("pole", GRAY, 0.1, ((0, 0), (0, 6.5), (1.8, 6.8))),),
    "lights": (
        ("pole", GRAY, 0.1, ((0, 0), (0, 3.8))),
        ("traffic light", DARK, 0, ((0, 2.4), (0.5, 2.4), (0.5, 3.8), (0, 3.8))),
        ("traffic light", (230, 40, 30), 0.16, ((0.25, 3.5),)),
        ("traffic light", (80, 60, 20), 0.16, ((0.25, 3.1),)),
        ("traffic light", (20, 80, 50), 0.16, ((0.25, 2.7),)),
    ),
    "no entry": _sign(20, 0, (200, 24, 30), WHITE),
    "parking": _sign(4, 45, WHITE, (24, 80, 170)),
    "warning": _sign(3, 90, (200, 24, 30), WHITE),
    "priority": _sign(4, 0, WHITE, (240, 196, 40)),
    "bicycle": (
        *_wheels("bicycle", 0.34, 0.045, -0.53, 0.53),
        ("bicycle", "paint", 0.04, ((-0.53, 0.34), (-0.18, 0.78), (0.35, 0.86))),
        ("bicycle", "paint", 0.04, ((-0.53, 0.34), (-0.06, 0.30), (0.36, 0.80))),
        ("bicycle", "paint", 0.04, ((0.53, 0.34), (0.36, 1.02))),
        ("bicycle", "paint", 0.04, ((-0.06, 0.30), (-0.21, 0.93))),
        ("bicycle", DARK, 0.045, ((-0.32, 0.97), (-0.10, 0.96))),
    ),
    "motorcycle": (
        *_wheels("motorcycle", 0.32, 0.075, -0.7, 0.7),
        ("motorcycle", DARK, 0.19, ((-0.15, 0.42), (0.20, 0.45))),
        ("motorcycle", GRAY, 0.045, ((0.70, 0.32), (0.42, 1.00))),
        ("motorcycle", DARK, 0.09, ((-0.75, 0.78), (-0.15, 0.74))),
        ("motorcycle", "paint", 0.15, ((-0.08, 0.78), (0.32, 0.84))),
    ),
}
# People: what they ride, (along, up) of its saddle, and their poses.
PEOPLE: dict[str, tuple] = {
    "person": (None, (0, 0), ("walk", "walk", "stand", "wave", "akimbo")),
    "cyclist": ("bicycle", (-0.22, 0.96), ("cycle",)),
    "motorcyclist": ("motorcycle", (-0.25, 0.82), ("ride",)),
}


def _axes(heading: float) -> np.ndarray:
    """Unit vectors (ahead, up, right) of a heading in degrees."""
    cos, sin = np.cos(np.radians(heading)), np.sin(np.radians(heading))
    return np.array([[sin, 0, cos], [0, 1, 0], [cos, 0, -sin]])


def draw(view: View, kind: str, x: float, z: float, heading: float) -> None:
    """Draw one of ``THINGS``, ``PEOPLE`` or ``VEHICLES`` at (x, z) in metres.

    A vehicle begins at z, so that drawing from far to near hides what is beside it.
    """
    if kind in VEHICLES:
        _draw_vehicle(view, kind, x, z, heading)
    elif kind in PEOPLE:
        _draw_person(view, kind, x, z, heading)
    else:
        _draw_thing(view, kind, x, z, heading)


def _draw_thing(view: View, kind: str, x: float, z: float, heading: float) -> None:
    paint = random_color(view.rng, (0.3, 0.9), (0.3, 0.9))
    view.shadow(x, z, 0.5)
    for label, color, radius, points in THINGS[kind]:
        corners = np.asarray(points) @ _axes(heading)[:2] + (x, 0, z)
        tone = paint if isinstance(color, str) else color
        if radius:
            view.bars(corners, radius, tone, label)
        else:
            view.polygon(corners, tone, label)
    if kind == "tree":
        crown = (x, view.rng.uniform(3.5, 4.5), z)
        draw_leaves(view, crown, view.rng.uniform(1.4, 2.2, 2).tolist())


def draw_leaves(view: View, center: ArrayLike, radii: Sequence[float]) -> None:
    """Draw leaves around a point, ``radii`` (across, up) in metres."""
    green, outline = pick(view.rng, _GREENS), CIRCLE * np.array(radii)
    layers = [(0.7, 1.0, np.zeros(2))]
    for share, reach in view.rng.uniform((0.2, 0), (0.4, 0.8), (12, 2)):
        shift = reach * outline[view.rng.integers(len(outline))]
        layers.append((0.95 + 0.25 * shift[1] / radii[1], share, shift))
    for light, share, shift in layers:
        corners = center + (outline * share + shift) @ np.eye(2, 3)
        view.polygon(corners, light * green, "vegetation")


def _draw_person(view: View, kind: str, x: float, z: float, heading: float) -> None:
    ridden, seat, poses = PEOPLE[kind]
    size, pose = view.rng.uniform(1.55, 1.9) * view.focal / z, view.rng.choice(poses)
    u, v = view.project(np.array(seat) @ _axes(heading)[:2] + (x, 0, z))
    figure = people.sample_figure(view.rng, (u, v), size, str(pose), 180 - heading)
    if ridden:
        _draw_thing(view, ridden, x, z, heading)
        shift = (u, v - 0.03 * size, 0) - figure.joints["pelvis"] * (1, 1, 0)
        joints = {name: joint + shift for name, joint in figure.joints.items()}
        figure = replace(figure, joints=joints)
    else:
        view.shadow(x, z, 0.4)
    labels = [ID["rider" if ridden else "person"]] * people.NUM_PARTS
    people.draw_figure(view.canvas, figure, labels)


def _car(length: float, height: float, rear: float, front: float) -> tuple:
    """A car whose windows reach from ``rear`` to ``front``."""
    return "car", (length, height, 0.9), (0.33, 0.19, 0.81), (
        (0.1, 0.9, 0, 0.15, 0.9, 0, "dark"), (0, 1, 0.12, 0.6, 1, 0.01, "paint"),
        (rear, front, 0.6, 0.96, 0.95, 0.1, "glass"),
        (rear + 0.1, front - 0.1, 0.94, 1, 0.78, 0.02, "paint"),
    )  # fmt: skip


# Class; length, height and half width in metres; radius of the wheels and their places
# along the length in 0..1; boxes from the ground up: rear end, front end, bottom, top,
# width, how much the top is shorter at each end and narrower at each side, material.
VEHICLES: dict[str, tuple] = {
    "hatchback": _car(4.0, 1.50, 0.02, 0.74),
    "saloon": _car(4.6, 1.45, 0.14, 0.70),
    "estate": _car(4.5, 1.65, 0.0, 0.78),
    "truck": ("truck", (7.5, 3.3, 1.2), (0.48, 0.14, 0.24, 0.86), (
        (0.05, 0.95, 0, 0.2, 0.7, 0, "dark"), (0, 0.7, 0.2, 1, 1, 0, "cargo"),
        (0.74, 1, 0.12, 0.42, 0.95, 0, "paint"), (0.74, 1, 0.42, 0.7, 0.95, 0, "glass"),
        (0.74, 1, 0.7, 0.8, 0.95, 0.01, "paint"),
    )),
    "bus": ("bus", (11.0, 3.1, 1.25), (0.48, 0.22, 0.78), (
        (0.02, 0.98, 0, 0.1, 0.9, 0, "dark"), (0, 1, 0.08, 0.5, 1, 0, "bright"),
        (0, 1, 0.5, 0.86, 1, 0.01, "glass"), (0.01, 0.99, 0.86, 1, 1, 0, "bright"),
    )),
    # A tram: no wheels in sight, a rounded roof, and the same livery everywhere.
    "train": ("train", (19.0, 3.6, 1.25), (0,), (
        (0, 1, 0.02, 0.28, 1, 0, "red"), (0, 1, 0.28, 0.45, 1, 0, "cream"),
        (0, 1, 0.45, 0.78, 1, 0.01, "glass"), (0.01, 0.99, 0.78, 0.9, 1, 0, "cream"),
        (0.01, 0.99, 0.9, 1, 1, 0.15, "cream"),
    )),
}  # fmt: skip
# Corners of a box (rear, right, front, left, top), and the light on each face.
_FACES = np.array(
    [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7)]
)
_LIGHT = (0.95, 0.8, 1.0, 0.85, 1.1)


def _draw_vehicle(view: View, kind: str, x: float, z: float, heading: float) -> None:
    rng, axes = view.rng, _axes(heading)
    label, size, (radius, *places), boxes = VEHICLES[kind]
    middle = (x, 0, z + size[0] / 2)
    colors = {
        "paint": pick(rng, _PAINTS), "glass": pick(rng, (GLASS,)), "dark": DARK,
        "bright": random_color(rng, (0.4, 0.85), (0.5, 0.95)),
        "cargo": random_color(rng, (0.0, 0.5), (0.6, 0.95)), "red": RED, "cream": CREAM,
    }  # fmt: skip

    def face(points: ArrayLike, color: Color) -> None:
        """Fill corners (along 0..1, up 0..1, across -1..1) if seen from outside."""
        corners = (np.asarray(points) - (0.5, 0, 0)) * size @ axes + middle
        turn = cv2.contourArea(view.project(corners).astype(np.float32), oriented=True)
        if turn < 0:
            view.polygon(corners, color, label)

    view.shadow(x, z, size[2] + 0.3)
    # Of a truck's two parts the farther one comes first.
    away = np.cos(np.radians(heading))
    for rear, front, low, high, wide, taper, material in sorted(
        boxes, key=lambda box: -away * (box[0] > 0.5)
    ):
        base = np.array([(rear, low, -wide), (rear, low, wide),
                         (front, low, wide), (front, low, -wide)])  # fmt: skip
        top = base + taper * np.array([1, 0, 2 * wide]) * np.sign(
            (0.5 * (rear + front), 0, 0) - base
        )
        top[:, 1] = high
        corners = np.concatenate([base, top])
        for index, light in zip(_FACES, _LIGHT, strict=True):
            face(corners[index], np.multiply(colors[material], light))
    for side in (-1, 1):
        for place in places:
            for share, color in ((1.0, DARK), (0.5, GRAY)):
                rim = CIRCLE[::side] * radius * share + (0, radius)
                rim = rim / size[:2] + (place, 0)
                face(np.insert(rim, 2, side, axis=1), color)
        for end, color, turn in ((0, RED, side), (1, WHITE, -side)):
            lamp = [(end, up, side * out) for up, out in
                    ((0.36, 0.6), (0.36, 0.9), (0.5, 0.9), (0.5, 0.6))]  # fmt: skip
            face(lamp[::turn], color)
