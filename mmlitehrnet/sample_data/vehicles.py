"""A camera over a flat street, and the vehicles that it sees.

World axes are x to the right, y up from the ground and z ahead, in metres, with the
camera over the origin. Headings are in degrees: 0 is ahead, 90 to the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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

    def scale(self, z: float) -> float:
        """Pixels of one metre at distance ``z`` in metres."""
        return self.focal / max(z, NEAR)

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
        radii = np.asarray(radii) * self.scale(center[2])
        self.canvas.ellipse(self.project(center), radii, color, label)

    def shadow(self, x: float, z: float, radius: float) -> None:
        """Darken the ground around a point, ``radius`` in metres."""
        far, near = self.project([(x, 0, z + radius), (x, 0, max(z - radius, 1.5))])
        radii = (radius * self.scale(z), max((near[1] - far[1]) / 2, 1.0))
        self.canvas.shadow(self.project((x, 0, z)), radii)


@dataclass(frozen=True)
class Vehicle:
    """A kind of vehicle; lengths in metres, places along it and up it in 0..1.

    Attributes:
        label: Its class.
        size: Length, width and height.
        wheels: Radius, and places along the length.
        panes: Side windows: first, last, number, low, high.
        hulls: Parts of the body as outlines seen from the side, drawn across: corners
            (along, up, share of the width) from the rear over the top to the front, and
            a letter for each surface between two corners, the first for the sides too:
            body, glass, dark or cargo.
    """

    label: str
    size: tuple[float, float, float]
    wheels: tuple[float, ...]
    panes: tuple[float, float, int, float, float]
    hulls: tuple[tuple[tuple, str], ...]


def _car(length: float, height: float, rear: float, top: float) -> Vehicle:
    """A car whose rear window starts at ``rear`` and whose roof ends at ``top``."""
    outline = (
        (0, 0.12, 0.95), (0.01, 0.60, 0.97), (rear, 0.64, 0.95), (rear + 0.1, 1, 0.78),
        (top, 1, 0.78), (top + 0.17, 0.64, 0.94), (0.97, 0.53, 0.94), (1, 0.12, 0.94),
    )  # fmt: skip
    panes = (rear + 0.1, top + 0.04, 2, 0.66, 0.94)
    wheels = (0.33, 0.19, 0.81)
    return Vehicle("car", (length, 1.8, height), wheels, panes, ((outline, "bbgbgbb"),))


def _coach(label: str, length: float, height: float, wheels: tuple, panes: int):
    """A bus or a train: a long box full of windows."""
    outline = (
        (0, 0.08, 1), (0, 0.55, 1), (0.01, 0.93, 0.97), (0.03, 1, 0.9),
        (0.97, 1, 0.9), (0.99, 0.93, 0.97), (1, 0.42, 1), (1, 0.08, 1),
    )  # fmt: skip
    windows = (0.02, 0.98, panes, 0.45, 0.86)
    return Vehicle(
        label, (length, 2.5, height), wheels, windows, ((outline, "bgbbbgb"),)
    )


_TRUCK = (
    (((0.02, 0.1, 0.7), (0.02, 0.2, 0.7), (0.98, 0.2, 0.7)), "dd"),
    (((0, 0.2, 1), (0, 1, 1), (0.7, 1, 1), (0.7, 0.2, 1)), "ccc"),
    (((0.73, 0.12, 0.95), (0.73, 0.8, 0.95), (0.96, 0.8, 0.92), (0.99, 0.45, 0.95),
      (1, 0.12, 0.95)), "bbgb"),
)  # fmt: skip
VEHICLES = {
    "hatchback": _car(4.0, 1.50, 0.03, 0.55),
    "saloon": _car(4.6, 1.45, 0.14, 0.52),
    "estate": _car(4.5, 1.65, 0.03, 0.58),
    "truck": Vehicle("truck", (7.5, 2.4, 3.3), (0.48, 0.14, 0.24, 0.86),
                     (0.8, 0.95, 1, 0.46, 0.72), _TRUCK),
    "bus": _coach("bus", 11.0, 3.1, (0.48, 0.22, 0.78), 7),
    "train": _coach("train", 19.0, 3.5, (0.40, 0.14, 0.2, 0.8, 0.86), 11),
}  # fmt: skip
CARS = ("hatchback", "saloon", "estate")


def _axes(heading: float) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors ahead and to the right of a heading in degrees."""
    cos, sin = np.cos(np.radians(heading)), np.sin(np.radians(heading))
    return np.array([sin, 0, cos]), np.array([cos, 0, -sin])


def draw_vehicle(
    view: View, kind: str, x: float, z: float, heading: float, label: int
) -> None:
    """Draw a vehicle of ``VEHICLES`` whose middle is at (x, z) in metres."""
    vehicle = VEHICLES[kind]
    length, width, height = vehicle.size
    large = vehicle.label in ("bus", "train")
    paint = (
        random_color(view.rng, (0.4, 0.85), (0.5, 0.95))
        if large
        else pick(view.rng, _PAINTS)
    )
    glass, cargo = (
        pick(view.rng, (GLASS,)),
        random_color(view.rng, (0.0, 0.5), (0.6, 0.95)),
    )
    colors = {"b": paint, "g": glass, "d": np.array(DARK), "c": cargo}
    ahead, right = _axes(heading)
    eye = np.array([0, view.height, 0])

    def world(points: ArrayLike) -> np.ndarray:
        """(N, 3) along, up and across, 0..1, 0..1 and -1..1, to metres."""
        along, up, across = np.moveaxis(np.asarray(points, float), -1, 0)[..., None]
        place = (along - 0.5) * length * ahead + up * height * np.array([0, 1, 0])
        return place + across * width / 2 * right + [x, 0, z]

    def seen(normal: np.ndarray, point: Sequence[float]) -> bool:
        return bool(normal @ (eye - world([point])[0]) > 0)

    def wheels(sign: int) -> None:
        radius, *places = vehicle.wheels
        for at in places:
            for share, color in ((1.0, DARK), (0.5, HUB)):
                rim = np.insert(CIRCLE * share * radius + (0, radius), 2, 1, axis=1)
                rim = rim / (length, height, 1) * (1, 1, 0.97 * sign) + (at, 0, 0)
                view.polygon(world(rim), color, label)

    reach = np.abs(ahead) * length / 2 + np.abs(right) * width / 2
    view.shadow(x, z, reach[0] + 0.3)
    near = [sign for sign in (-1, 1) if seen(sign * right, (0.5, 0, sign))]
    for sign in {-1, 1} - set(near):
        wheels(sign)
    faces = []  # (distance, corners, colour)
    for outline, skins in vehicle.hulls:
        sides = [world(np.array(outline) * (1, 1, sign)) for sign in (-1, 1)]
        pairs = zip(sides[0], sides[1], sides[1][1:], sides[0][1:], strict=False)
        quads = [np.array(corners) for corners in pairs]
        for corners, skin in zip([*quads, *sides], skins + 2 * skins[0], strict=True):
            normal = np.cross(corners[1] - corners[0], corners[-1] - corners[0])
            normal *= np.sign(normal @ (corners.mean(0) - np.mean(sides, (0, 1))))
            normal /= np.linalg.norm(normal)
            toward = eye - corners.mean(0)
            if normal @ toward > 0:
                color = (0.85 + 0.2 * normal[1] - 0.1 * normal[0]) * colors[skin]
                faces.append((float(np.linalg.norm(toward)), corners, color))
    for _, corners, color in sorted(faces, key=lambda face: -face[0]):
        view.polygon(corners, color, label)
    first, last, count, low, high = vehicle.panes
    step = (last - first) / count
    for sign in near:
        for start in first + step * (np.arange(count) + 0.06):
            along = np.array([0, 0, 0.88, 0.88]) * step + start
            pane = np.stack([along, [low, high, high, low], np.full(4, 0.98 * sign)], 1)
            view.polygon(world(pane), glass, label)
        wheels(sign)
    for end, color in ((0, RED), (1, WHITE)):
        if seen((2 * end - 1) * ahead, (end, 0.4, 0)):
            for side in (-1, 1):
                lamp = [(end, 0.38, 0.9), (end, 0.52, 0.9), (end, 0.52, 0.6),
                        (end, 0.38, 0.6)]  # fmt: skip
                view.polygon(world(np.array(lamp) * (1, 1, side)), color, label)


@dataclass(frozen=True)
class TwoWheeler:
    """A bicycle or motorcycle; points are (along, up), lengths in metres."""

    wheelbase: float
    wheel_radius: float
    tyre: float
    saddle: tuple[float, float]
    handle: tuple[float, float]
    pose: str  # of the rider
    bars: tuple  # from, to, radius, colour (None: the paint)


TWO_WHEELERS = {
    "bicycle": TwoWheeler(
        1.06, 0.34, 0.028, (-0.22, 0.96), (0.40, 1.05), "cycle",
        (((-0.53, 0.34), (-0.06, 0.30), 0.022, None),
         ((-0.53, 0.34), (-0.18, 0.78), 0.018, None),
         ((-0.06, 0.30), (-0.21, 0.93), 0.024, None),
         ((-0.06, 0.30), (0.36, 0.80), 0.026, None),
         ((-0.17, 0.76), (0.35, 0.86), 0.024, None),
         ((0.53, 0.34), (0.36, 1.02), 0.022, None),
         ((-0.32, 0.97), (-0.10, 0.96), 0.045, DARK)),
    ),
    "motorcycle": TwoWheeler(
        1.40, 0.32, 0.075, (-0.25, 0.82), (0.42, 1.02), "ride",
        (((-0.70, 0.34), (-0.10, 0.42), 0.06, DARK),
         ((-0.15, 0.42), (0.20, 0.45), 0.19, DARK),
         ((0.70, 0.32), (0.42, 1.00), 0.045, HUB),
         ((-0.75, 0.78), (-0.15, 0.74), 0.09, DARK),
         ((-0.80, 0.70), (-0.45, 0.66), 0.10, None),
         ((-0.08, 0.78), (0.32, 0.84), 0.15, None),
         ((0.48, 0.80), (0.54, 0.88), 0.12, None)),
    ),
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
    bike = TWO_WHEELERS[kind]
    if z - bike.wheelbase < NEAR:
        return
    paint = random_color(view.rng, (0.3, 0.9), (0.3, 0.9))
    ahead, right = _axes(heading)

    def world(point: ArrayLike, across: float = 0.0) -> np.ndarray:
        along, up = np.asarray(point, float)
        return np.array([x, 0, z]) + along * ahead + across * right + [0, up, 0]

    view.shadow(x, z, 0.5)
    for hub in (-bike.wheelbase / 2, bike.wheelbase / 2):
        rim = CIRCLE * bike.wheel_radius + (hub, bike.wheel_radius)
        corners = [world(point) for point in rim]
        # Cityscapes counts what shows between the spokes as part of the wheel.
        view.polygon(corners, None, label)
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            view.tube(start, end, bike.tyre, DARK, label)
    for start, end, radius, color in bike.bars:
        view.tube(world(start), world(end), radius, color or paint, label)
    view.tube(world(bike.handle, -0.26), world(bike.handle, 0.26), 0.022, DARK, label)
    if rider is None:
        return
    yaw = float(np.degrees(np.arctan2(ahead[0], -ahead[2])))
    scale = view.scale(z)
    figure = people.sample_figure(view.rng, (0.0, 0.0), 1.75 * scale, bike.pose, yaw)
    seat = view.project(world(bike.saddle)) - (0, 0.05 * scale)
    shift = np.append(seat - figure.joints["pelvis"][:2], 0)
    joints = {name: joint + shift for name, joint in figure.joints.items()}
    people.draw_figure(view.canvas, replace(figure, joints=joints), rider, True)
