"""A camera over a flat street, and the vehicles that it sees.

World axes are x to the right, y up from the ground and z ahead, in metres, with the
camera over the origin. Headings are in degrees: 0 away from the viewer, 90 to the right.
"""

from __future__ import annotations

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
        canvas: What is drawn on.
        focal: Focal length in pixels.
        center: (x, y) of the point at infinity straight ahead, in pixels.
        height: Height of the camera over the ground in metres.
    """

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

    def polygon(self, points: ArrayLike, color: Color, label: int) -> None:
        """Fill a flat polygon of (N, 3) corners, cut off in front of the camera."""
        points = np.asarray(points, float)
        kept = []
        for point, following in zip(points, np.roll(points, -1, axis=0), strict=True):
            if point[2] >= NEAR:
                kept.append(point)
            if (point[2] >= NEAR) != (following[2] >= NEAR):
                share = (NEAR - point[2]) / (following[2] - point[2])
                kept.append(point + share * (following - point))
        if kept:
            self.canvas.polygon(self.project(kept), color, label)

    def tube(
        self, start: ArrayLike, end: ArrayLike, radius: float, color: Color, label: int
    ) -> None:
        """Draw a round bar between two points, ``radius`` in metres."""
        ends = np.array([start, end], float)
        if ends[:, 2].min() >= NEAR:
            radii = np.maximum(radius * self.focal / ends[:, 2], 0.4)
            self.canvas.tube(*self.project(ends), radii, color, label)

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
class Hull:
    """A body part of a vehicle: an outline seen from the side, drawn across.

    Attributes:
        outline: Corners from the rear, over the top, to the front: (position along
            the length 0..1, height 0..1, share of the width).
        skins: Material of the surface after each corner but the last, one letter of
            ``_MATERIALS``; that of the sides is the first.
        panes: (first, last, number, low, high) of the side windows.
    """

    outline: tuple
    skins: str
    panes: tuple = (0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Vehicle:
    """A kind of vehicle; lengths in metres, wheels along the length in 0..1."""

    label: str
    size: tuple[float, float, float]  # length, width, height
    wheel_radius: float
    wheels: tuple[float, ...]
    hulls: tuple[Hull, ...]


_MATERIALS = "bgdc"  # body, glass, dark, cargo


def _car(length: float, height: float, rear: float, top: float) -> Vehicle:
    """A car whose rear window starts at ``rear`` and whose roof ends at ``top``."""
    outline = (
        (0, 0.12, 0.95), (0.01, 0.60, 0.97), (rear, 0.64, 0.95), (rear + 0.1, 1, 0.78),
        (top, 1, 0.78), (top + 0.17, 0.64, 0.94), (0.97, 0.53, 0.94), (1, 0.12, 0.94),
    )  # fmt: skip
    hull = Hull(outline, "bbgbgbb", (rear + 0.1, top + 0.04, 2, 0.66, 0.94))
    return Vehicle("car", (length, 1.8, height), 0.33, (0.19, 0.81), (hull,))


def _coach(
    label: str, length: float, height: float, panes: int, wheels: tuple[float, ...]
) -> Vehicle:
    """A bus or a train: a long box full of windows."""
    outline = (
        (0, 0.08, 1), (0, 0.55, 1), (0.01, 0.93, 0.97), (0.03, 1, 0.9),
        (0.97, 1, 0.9), (0.99, 0.93, 0.97), (1, 0.42, 1), (1, 0.08, 1),
    )  # fmt: skip
    hull = Hull(outline, "bgbbbgb", (0.02, 0.98, panes, 0.45, 0.86))
    return Vehicle(label, (length, 2.5, height), 0.46, wheels, (hull,))


_CARGO = Hull(((0, 0.2, 1), (0, 1, 1), (0.7, 1, 1), (0.7, 0.2, 1)), "ccc")
_CAB = Hull(
    ((0.73, 0.12, 0.95), (0.73, 0.8, 0.95), (0.96, 0.8, 0.92), (0.99, 0.45, 0.95),
     (1, 0.12, 0.95)), "bbgb", (0.8, 0.95, 1, 0.46, 0.72),
)  # fmt: skip
_CHASSIS = Hull(((0.02, 0.1, 0.7), (0.02, 0.2, 0.7), (0.98, 0.2, 0.7)), "dd")
VEHICLES = {
    "hatchback": _car(4.0, 1.50, 0.03, 0.55),
    "saloon": _car(4.6, 1.45, 0.14, 0.52),
    "estate": _car(4.5, 1.65, 0.03, 0.58),
    "truck": Vehicle(
        "truck", (7.5, 2.4, 3.3), 0.48, (0.14, 0.24, 0.86), (_CHASSIS, _CARGO, _CAB)
    ),
    "bus": _coach("bus", 11.0, 3.1, 7, (0.22, 0.78)),
    "train": _coach("train", 19.0, 3.5, 11, (0.14, 0.2, 0.8, 0.86)),
}
CARS = ("hatchback", "saloon", "estate")


def _axes(heading: float) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors ahead and to the right of a heading in degrees."""
    cos, sin = np.cos(np.radians(heading)), np.sin(np.radians(heading))
    return np.array([sin, 0, cos]), np.array([cos, 0, -sin])


def draw_vehicle(
    rng: np.random.Generator,
    view: View,
    kind: str,
    x: float,
    z: float,
    heading: float,
    label: int,
) -> None:
    """Draw a vehicle of ``VEHICLES`` whose middle is at (x, z) in metres."""
    vehicle = VEHICLES[kind]
    length, width, height = vehicle.size
    large = vehicle.label in ("bus", "train")
    paint = random_color(rng, (0.4, 0.85), (0.5, 0.95)) if large else pick(rng, _PAINTS)
    cargo = random_color(rng, (0.0, 0.5), (0.6, 0.95))
    colors = dict(zip(_MATERIALS, (paint, pick(rng, (GLASS,)), DARK, cargo), strict=True))
    ahead, right = _axes(heading)
    eye = np.array([0, view.height, 0])

    def world(points: ArrayLike, sign: float = 1) -> np.ndarray:
        """(N, 3) along, up and share of the width, on the left (-1) or right (1)."""
        along, up, share = np.moveaxis(np.asarray(points, float), -1, 0)[..., None]
        place = (along - 0.5) * length * ahead + up * height * np.array([0, 1, 0])
        return place + share * sign * width / 2 * right + [x, 0, z]

    def draw_wheels(near: bool) -> None:
        for sign in (-1, 1):
            if (sign * right @ (eye - world([(0.5, 0, 1)], sign)[0]) > 0) == near:
                for at in vehicle.wheels:
                    for share, color in ((1.0, DARK), (0.5, HUB)):
                        radius = share * vehicle.wheel_radius
                        rim = np.insert(CIRCLE * radius, 2, 0.97, axis=1)
                        rim[:, :2] += (at * length, vehicle.wheel_radius)
                        rim[:, :2] /= (length, height)
                        view.polygon(world(rim, sign), color, label)

    faces = []  # (distance, corners, colour, other things on it: corners and colour)
    for hull in vehicle.hulls:
        left_side, right_side = world(hull.outline, -1), world(hull.outline, 1)
        middle = (left_side.mean(0) + right_side.mean(0)) / 2
        quads = [
            (np.array([left_side[i], right_side[i], right_side[i + 1], left_side[i + 1]]),
             skin, []) for i, skin in enumerate(hull.skins)
        ]  # fmt: skip
        for sign, side in ((-1, left_side), (1, right_side)):
            quads.append((side, hull.skins[0], _panes(hull, sign, world)))
        for corners, skin, panes in quads:
            normal = np.cross(corners[1] - corners[0], corners[-1] - corners[0])
            normal *= np.sign(normal @ (corners.mean(0) - middle)) / np.linalg.norm(normal)
            toward = eye - corners.mean(0)
            if normal @ toward <= 0:
                continue
            light = 0.85 + 0.2 * normal[1] - 0.1 * normal[0]
            details = [(pane, colors["g"]) for pane in panes]
            facing = normal @ ahead
            if skin in "bc" and abs(facing) > 0.7:
                lamp = WHITE if facing > 0 else RED
                details += [(_lamp(corners, low), lamp) for low in (0.04, 0.8)]
            faces.append((np.linalg.norm(toward), corners, light, colors[skin], details))
    reach = np.abs(ahead) * length / 2 + np.abs(right) * width / 2
    view.shadow(x, z, reach[0] + 0.3)
    draw_wheels(near=False)
    for _, corners, light, color, details in sorted(faces, key=lambda face: -face[0]):
        view.polygon(corners, light * np.array(color), label)
        for part, tone in details:
            view.polygon(part, light * np.array(tone), label)
    draw_wheels(near=True)


def _panes(hull: Hull, sign: int, world) -> list[np.ndarray]:
    """Windows of one side of a hull."""
    first, last, count, low, high = hull.panes
    ends = np.linspace(first, last, count + 1)
    gap = 0.06 * (last - first) / max(count, 1)
    return [
        world([(a, low, 0.98), (a, high, 0.98), (b, high, 0.98), (b, low, 0.98)], sign)
        for a, b in zip(ends[:-1] + gap, ends[1:] - gap, strict=True)
    ]


def _lamp(quad: np.ndarray, start: float) -> np.ndarray:
    """A lamp on a face, from ``start`` across."""
    across, up = quad[1] - quad[0], quad[3] - quad[0]
    if up[1] < 0:
        quad, up = quad + up, -up
    low = quad[0] + start * across + 0.5 * up
    return np.array([low, low + 0.16 * across, low + 0.16 * across + 0.3 * up,
                     low + 0.3 * up])  # fmt: skip


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
    rng: np.random.Generator,
    view: View,
    kind: str,
    x: float,
    z: float,
    heading: float,
    label: int,
    rider: int | None = None,
) -> None:
    """Draw a bicycle or a motorcycle.

    Args:
        rng: Random generator.
        view: The picture.
        kind: Name in ``TWO_WHEELERS``.
        x: Its middle to the right in metres.
        z: Its middle ahead in metres.
        heading: In degrees.
        label: Its label.
        rider: Label of its rider; None: nobody rides it.
    """
    bike = TWO_WHEELERS[kind]
    if z - bike.wheelbase < NEAR:
        return
    paint = random_color(rng, (0.3, 0.9), (0.3, 0.9))
    ahead, right = _axes(heading)

    def world(point: ArrayLike, across: float = 0.0) -> np.ndarray:
        along, up = np.asarray(point, float)
        return np.array([x, 0, z]) + along * ahead + across * right + [0, up, 0]

    view.shadow(x, z, 0.5)
    for hub in (-bike.wheelbase / 2, bike.wheelbase / 2):
        rim = CIRCLE * bike.wheel_radius + (hub, bike.wheel_radius)
        corners = [world(point) for point in rim]
        # Cityscapes counts what shows between the spokes as part of the wheel.
        spokes = view.canvas.image.copy()
        view.polygon(corners, DARK, label)
        view.canvas.image[:] = spokes
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            view.tube(start, end, bike.tyre, DARK, label)
    for start, end, radius, color in bike.bars:
        view.tube(world(start), world(end), radius, color or paint, label)
    view.tube(world(bike.handle, -0.26), world(bike.handle, 0.26), 0.022, DARK, label)
    if rider is None:
        return
    yaw = float(np.degrees(np.arctan2(ahead[0], -ahead[2])))
    scale = view.scale(z)
    figure = people.sample_figure(rng, (0.0, 0.0), 1.75 * scale, bike.pose, yaw)
    seat = view.project(world(bike.saddle)) - (0, 0.05 * scale)
    shift = np.append(seat - figure.joints["pelvis"][:2], 0)
    joints = {name: joint + shift for name, joint in figure.joints.items()}
    people.draw_figure(view.canvas, replace(figure, joints=joints), rider, True)
