"""A camera over a flat street, and the vehicles that it sees.

World axes are x to the right, y up from the ground and z ahead, in metres, with the
camera over the origin. Headings are in degrees: 0 is ahead, 90 to the right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import people
from .drawing import CIRCLE, Canvas, Color, pick, random_color

# Nothing nearer than this is drawn, in metres.
NEAR = 0.6
GLASS, DARK, HUB = (58, 74, 88), (28, 28, 32), (150, 152, 156)
RED, WHITE = (205, 30, 30), (240, 240, 225)
_PAINTS = ((200, 202, 205), (60, 62, 68), (34, 36, 40), (232, 232, 230), (150, 24, 28),
           (34, 60, 118), (96, 110, 100), (176, 152, 104))  # fmt: skip


@dataclass(frozen=True)
class View:
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
        scale = self.focal / np.maximum(z, NEAR)
        across, down = x * scale, (self.height - y) * scale
        return np.stack([self.center[0] + across, self.center[1] + down], -1)

    def polygon(self, points: ArrayLike, color: Color | None, label: int) -> None:
        """Fill a flat polygon of (N, 3) corners, cut off in front of the camera."""
        points = np.asarray(points, float)
        if points[:, 2].min() < NEAR:
            kept = []
            ends = zip(points, np.roll(points, -1, axis=0), strict=True)
            for point, following in ends:
                if point[2] >= NEAR:
                    kept.append(point)
                if (point[2] >= NEAR) != (following[2] >= NEAR):
                    share = (NEAR - point[2]) / (following[2] - point[2])
                    kept.append(point + share * (following - point))
            points = np.array(kept)
        if len(points):
            self.canvas.polygon(self.project(points), color, label)

    def tube(
        self, start: ArrayLike, end: ArrayLike, radius: float, color: Color, label: int
    ) -> None:
        """Draw a round bar between two points, ``radius`` in metres."""
        ends = np.array([start, end], float)
        if ends[:, 2].min() >= NEAR:
            radii = np.maximum(radius * self.focal / ends[:, 2], 0.4)
            start, end = self.project(ends)
            self.canvas.tube(start, end, radii, color, label)

    def disc(
        self, center: ArrayLike, radii: ArrayLike, color: Color, label: int
    ) -> None:
        """Fill an upright ellipse that faces the camera, ``radii`` in metres."""
        center = np.asarray(center, float)
        radii = np.asarray(radii) * self.focal / center[2]
        self.canvas.ellipse(self.project(center), radii, color, label)

    def shadow(self, x: float, z: float, radius: float) -> None:
        """Darken the ground around a point, ``radius`` in metres."""
        far, near = self.project([(x, 0, z + radius), (x, 0, max(z - radius, 1.5))])
        radii = (radius * self.focal / z, max((near[1] - far[1]) / 2, 1.0))
        self.canvas.shadow(self.project((x, 0, z)), radii)


class Vehicle(NamedTuple):
    """A kind of vehicle; lengths in metres, places along it and up it in 0..1.

    Attributes:
        label: Its class.
        size: Length, width and height.
        wheels: Radius, and places along the length.
        boxes: From the ground up: rear end, front end, bottom, top, width, how much the
            top is shorter at each end and narrower at each side, material.
    """

    label: str
    size: tuple[float, float, float]
    wheels: tuple[float, ...]
    boxes: tuple[tuple[float, float, float, float, float, float, str], ...]


def _car(length: float, height: float, rear: float, front: float) -> Vehicle:
    """A car whose windows span ``rear`` to ``front``."""
    boxes = (
        (0, 1, 0.12, 0.6, 1, 0.01, "paint"),
        (rear, front, 0.6, 0.96, 0.95, 0.1, "glass"),
        (rear + 0.1, front - 0.1, 0.94, 1, 0.78, 0.02, "paint"),
    )
    return Vehicle("car", (length, 1.8, height), (0.33, 0.19, 0.81), boxes)


def _coach(label: str, length: float, height: float, wheels: tuple) -> Vehicle:
    """A bus or a train: a long box with windows all around."""
    boxes = (
        (0, 1, 0.08, 0.5, 1, 0, "paint"),
        (0, 1, 0.5, 0.86, 1, 0.01, "glass"),
        (0.01, 0.99, 0.86, 1, 0.98, 0.02, "paint"),
    )
    return Vehicle(label, (length, 2.5, height), wheels, boxes)


VEHICLES = {
    "hatchback": _car(4.0, 1.50, 0.02, 0.74),
    "saloon": _car(4.6, 1.45, 0.14, 0.70),
    "estate": _car(4.5, 1.65, 0.0, 0.78),
    "truck": Vehicle("truck", (7.5, 2.4, 3.3), (0.48, 0.14, 0.24, 0.86), (
        (0, 0.98, 0.12, 0.2, 0.7, 0, "dark"), (0, 0.7, 0.2, 1, 1, 0, "cargo"),
        (0.74, 1, 0.12, 0.42, 0.95, 0, "paint"), (0.74, 1, 0.42, 0.7, 0.95, 0, "glass"),
        (0.74, 1, 0.7, 0.8, 0.95, 0.01, "paint"),
    )),
    "bus": _coach("bus", 11.0, 3.1, (0.48, 0.22, 0.78)),
    "train": _coach("train", 19.0, 3.5, (0.40, 0.14, 0.2, 0.8, 0.86)),
}  # fmt: skip
CARS = ("hatchback", "saloon", "estate")


def _axes(heading: float) -> np.ndarray:
    """Unit vectors (ahead, up, right) of a heading in degrees."""
    cos, sin = np.cos(np.radians(heading)), np.sin(np.radians(heading))
    return np.array([[sin, 0, cos], [0, 1, 0], [cos, 0, -sin]])


def draw_vehicle(
    view: View, kind: str, x: float, z: float, heading: float, label: int
) -> None:
    """Draw a vehicle of ``VEHICLES`` whose middle is at (x, z) in metres."""
    vehicle, rng = VEHICLES[kind], view.rng
    length, width, height = vehicle.size
    large = vehicle.label in ("bus", "train")
    paint = random_color(rng, (0.4, 0.85), (0.5, 0.95)) if large else pick(rng, _PAINTS)
    colors = {"paint": paint, "glass": pick(rng, (GLASS,)), "dark": np.array(DARK),
              "cargo": random_color(rng, (0.0, 0.5), (0.6, 0.95))}  # fmt: skip
    axes = _axes(heading)
    eye = np.array([0, view.height, 0])

    def world(points: ArrayLike) -> np.ndarray:
        """(N, 3) along in 0..1, up in 0..1 and across in -1..1 to metres."""
        scaled = (np.asarray(points, float) - (0.5, 0, 0)) * (length, height, width / 2)
        return scaled @ axes + [x, 0, z]

    def draw_wheels(sign: int) -> None:
        radius, *places = vehicle.wheels
        for at in places:
            for share, color in ((1.0, DARK), (0.5, HUB)):
                rim = (share * CIRCLE * radius + (0, radius)) / (length, height)
                rim = np.insert(rim + (at, 0), 2, 0.97 * sign, axis=1)
                view.polygon(world(rim), color, label)

    # How far the eye is before the rear, the right side, the front and the left side.
    ahead, _, right = axes
    offset = eye - [x, 0, z]
    before = np.array(
        [
            -ahead @ offset - length / 2,
            right @ offset - width / 2,
            ahead @ offset - length / 2,
            -right @ offset - width / 2,
        ]
    )
    view.shadow(x, z, length / 2 * abs(ahead[0]) + width / 2 * abs(right[0]) + 0.3)
    for sign in (-1, 1):
        if before[2 - sign] <= 0:
            draw_wheels(sign)
    backwards = -1 if before[0] > before[2] else 1
    for rear, front, low, high, wide, taper, material in sorted(
        vehicle.boxes, key=lambda box: backwards * (box[0] > 0.5)
    ):
        ends, sides = (rear, rear, front, front), np.array([-wide, wide, wide, -wide])
        base = world(np.stack([ends, np.full(4, low), sides], 1))
        inner = np.add(ends, np.multiply((1, 1, -1, -1), taper))
        top = world(np.stack([inner, np.full(4, high), sides * (1 - 2 * taper)], 1))
        for i, tone in enumerate((0.95, 0.8, 1.0, 0.85)):
            if before[i] > 0:
                j = (i + 1) % 4
                face = [base[i], base[j], top[j], top[i]]
                view.polygon(face, tone * colors[material], label)
        if view.height > high * height:
            view.polygon(top, 1.1 * colors[material], label)
    for sign in (-1, 1):
        if before[2 - sign] > 0:
            draw_wheels(sign)
        for end, seen, color in ((0, before[0], RED), (1, before[2], WHITE)):
            if seen > 0:
                spots = [
                    (end, up, across * sign)
                    for up, across in ((0.36, 0.9), (0.5, 0.9), (0.5, 0.6), (0.36, 0.6))
                ]
                view.polygon(world(spots), color, label)


class TwoWheeler(NamedTuple):
    """A bicycle or motorcycle; points are (along, up), lengths in metres."""

    wheelbase: float
    wheel_radius: float
    tyre: float
    saddle: tuple[float, float]
    pose: str  # of the rider
    bars: tuple  # from, to, radius, colour (None: the paint)


TWO_WHEELERS = {
    "bicycle": TwoWheeler(1.06, 0.34, 0.028, (-0.22, 0.96), "cycle", (
        ((-0.53, 0.34), (-0.06, 0.30), 0.022, None),
        ((-0.53, 0.34), (-0.18, 0.78), 0.018, None),
        ((-0.06, 0.30), (-0.21, 0.93), 0.024, None),
        ((-0.06, 0.30), (0.36, 0.80), 0.026, None),
        ((-0.17, 0.76), (0.35, 0.86), 0.024, None),
        ((0.53, 0.34), (0.36, 1.02), 0.022, None),
        ((-0.32, 0.97), (-0.10, 0.96), 0.045, DARK),
    )),
    "motorcycle": TwoWheeler(1.40, 0.32, 0.075, (-0.25, 0.82), "ride", (
        ((-0.70, 0.34), (-0.10, 0.42), 0.06, DARK),
        ((-0.15, 0.42), (0.20, 0.45), 0.19, DARK),
        ((0.70, 0.32), (0.42, 1.00), 0.045, HUB),
        ((-0.75, 0.78), (-0.15, 0.74), 0.09, DARK),
        ((-0.80, 0.70), (-0.45, 0.66), 0.10, None),
        ((-0.08, 0.78), (0.32, 0.84), 0.15, None),
    )),
}  # fmt: skip


def draw_two_wheeler(
    view: View,
    kind: str,
    x: float,
    z: float,
    heading: float,
    label: int,
    rider: int | None = None,
) -> None:
    """Draw a bicycle or a motorcycle, and its rider if there is a label for one."""
    bike, axes = TWO_WHEELERS[kind], _axes(heading)
    if z - bike.wheelbase < NEAR:
        return
    paint = random_color(view.rng, (0.3, 0.9), (0.3, 0.9))

    def world(along: float, up: float, across: float = 0.0) -> np.ndarray:
        return np.array([along, up, across]) @ axes + [x, 0, z]

    view.shadow(x, z, 0.5)
    for hub in (-bike.wheelbase / 2, bike.wheelbase / 2):
        rim = CIRCLE * bike.wheel_radius + (hub, bike.wheel_radius)
        corners = [world(*point) for point in rim]
        # Cityscapes counts what shows between the spokes as part of the wheel.
        view.polygon(corners, None, label)
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            view.tube(start, end, bike.tyre, DARK, label)
    for start, end, radius, color in bike.bars:
        view.tube(world(*start), world(*end), radius, color or paint, label)
    view.tube(world(0.4, 1.05, -0.26), world(0.4, 1.05, 0.26), 0.022, DARK, label)
    if rider is None:
        return
    ahead, scale = axes[0], view.focal / z
    yaw = float(np.degrees(np.arctan2(ahead[0], -ahead[2])))
    figure = people.sample_figure(view.rng, (0.0, 0.0), 1.75 * scale, bike.pose, yaw)
    seat = view.project(world(*bike.saddle)) - (0, 0.05 * scale)
    shift = np.append(seat - figure.joints["pelvis"][:2], 0)
    joints = {name: joint + shift for name, joint in figure.joints.items()}
    people.draw_figure(view.canvas, replace(figure, joints=joints), rider, True)
