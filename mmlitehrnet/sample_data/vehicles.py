"""Cars, trucks, buses, trains, bicycles and motorcycles in a street."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from mmlitehrnet.sample_data import drawing, people
from mmlitehrnet.sample_data.city_labels import ID
from mmlitehrnet.sample_data.view import NEAR, View

GLASS = np.array([48, 62, 74], np.float32)
DARK = np.array([26, 26, 30], np.float32)
RED, WHITE, HUB = (205, 30, 30), (240, 240, 225), (150, 152, 156)


@dataclass(frozen=True)
class Hull:
    """A body part of a vehicle: an outline seen from the side, drawn across.

    Attributes:
        outline: Corners from the rear, over the top, to the front: (position along
            the length 0..1, height 0..1, share of the width).
        skins: Material of the surface after each corner but the last: ``body``,
            ``glass``, ``dark`` or ``cargo``.
        panes: Polygons of glass on the sides: (position, height).
        marks: Rectangles on the surfaces: (surface, u0, u1, v0, v1, RGB), with u
            across and v up the surface, 0..1.
        side: Material of the sides.
    """

    outline: tuple
    skins: tuple
    panes: tuple = ()
    marks: tuple = ()
    side: str = "body"


@dataclass(frozen=True)
class Vehicle:
    """A kind of vehicle; lengths in metres."""

    label: str
    size: tuple[float, float, float]  # length, width, height
    hulls: tuple[Hull, ...]
    wheels: tuple[float, ...]  # positions along the length, 0..1
    wheel_radius: float


_TAIL = (
    (1, 0.02, 0.17, 0.55, 0.95, RED),
    (1, 0.83, 0.98, 0.55, 0.95, RED),
    (1, 0.36, 0.64, 0.35, 0.62, WHITE),
)


def _row_of_panes(
    first: float, last: float, count: int, low: float, high: float
) -> tuple:
    """Equal windows side by side."""
    step = (last - first) / count
    return tuple(
        tuple(
            (first + step * (index + shift), height)
            for shift, height in ((0.06, low), (0.06, high), (0.94, high), (0.94, low))
        )
        for index in range(count)
    )


def _coach(length: float, height: float, label: str, panes: int, nose: float):
    """A bus or a train: a long box full of windows."""
    outline = (
        (0.005, 0.06, 0.9),
        (0.0, 0.12, 1.0),
        (0.0, 0.55, 1.0),
        (nose * 0.3, 0.93, 0.97),
        (0.03, 1.0, 0.90),
        (0.97, 1.0, 0.90),
        (1 - nose * 0.3, 0.93, 0.97),
        (1.0, 0.42, 1.0),
        (1.0, 0.12, 1.0),
        (0.995, 0.06, 0.9),
    )
    skins = "dark body glass body body body glass body dark".split()
    marks = (
        (1, 0.03, 0.13, 0.2, 0.5, RED),
        (1, 0.87, 0.97, 0.2, 0.5, RED),
        (7, 0.05, 0.17, 0.35, 0.65, WHITE),
        (7, 0.83, 0.95, 0.35, 0.65, WHITE),
        (3, 0.25, 0.75, 0.1, 0.8, (240, 170, 40)),
        (5, 0.25, 0.75, 0.1, 0.8, (240, 170, 40)),
    )
    windows = _row_of_panes(0.02, 0.98, panes, 0.45, 0.86)
    return Vehicle(
        label,
        (length, 2.5, height),
        (Hull(outline, tuple(skins), windows, marks),),
        (0.14, 0.2, 0.8, 0.86) if label == "train" else (0.22, 0.78),
        0.40 if label == "train" else 0.48,
    )


def _car(length: float, height: float, rear: float, top: float) -> Vehicle:
    """A car whose rear window spans ``rear`` and whose roof ends at ``top``."""
    outline = (
        (0.03, 0.10, 0.9),
        (0.0, 0.20, 0.97),
        (0.01, 0.60, 0.97),
        (rear, 0.64, 0.95),
        (rear + 0.10, 0.98, 0.78),
        (top, 1.0, 0.78),
        (top + 0.17, 0.64, 0.94),
        (0.97, 0.53, 0.94),
        (1.0, 0.22, 0.94),
        (0.98, 0.10, 0.9),
    )
    skins = "dark body body glass body glass body body dark".split()
    marks = _TAIL + (
        (7, 0.03, 0.2, 0.05, 0.4, WHITE),
        (7, 0.8, 0.97, 0.05, 0.4, WHITE),
        (7, 0.28, 0.72, 0.3, 0.75, DARK),
    )
    middle = (rear + top + 0.17) / 2
    panes = (
        (
            (rear + 0.03, 0.66),
            (rear + 0.11, 0.94),
            (middle - 0.01, 0.95),
            (middle - 0.01, 0.66),
        ),
        ((middle + 0.01, 0.66), (middle + 0.01, 0.95), (top, 0.95), (top + 0.14, 0.66)),
    )
    hull = Hull(outline, tuple(skins), panes, marks)
    return Vehicle("car", (length, 1.8, height), (hull,), (0.19, 0.81), 0.33)


_CARGO = Hull(
    ((0.0, 0.2, 1.0), (0.0, 1.0, 1.0), (0.70, 1.0, 1.0), (0.70, 0.2, 1.0)),
    ("cargo", "cargo", "cargo"),
    marks=(
        (0, 0.03, 0.12, 0.0, 0.08, RED),
        (0, 0.88, 0.97, 0.0, 0.08, RED),
        (0, 0.49, 0.51, 0.08, 1.0, DARK),
    ),
    side="cargo",
)
_CAB = Hull(
    (
        (0.73, 0.12, 0.95),
        (0.73, 0.80, 0.95),
        (0.96, 0.80, 0.92),
        (0.99, 0.48, 0.95),
        (1.0, 0.12, 0.95),
    ),
    ("dark", "body", "glass", "body"),
    panes=(((0.83, 0.46), (0.83, 0.72), (0.95, 0.72), (0.97, 0.46)),),
    marks=(
        (3, 0.05, 0.2, 0.5, 0.75, WHITE),
        (3, 0.8, 0.95, 0.5, 0.75, WHITE),
    ),
)
_CHASSIS = Hull(
    ((0.02, 0.1, 0.7), (0.02, 0.2, 0.7), (0.98, 0.2, 0.7), (0.98, 0.1, 0.7)),
    ("dark", "dark", "dark"),
    side="dark",
)

VEHICLES = {
    "hatchback": _car(4.0, 1.50, 0.03, 0.55),
    "saloon": _car(4.6, 1.45, 0.14, 0.52),
    "estate": _car(4.5, 1.65, 0.03, 0.58),
    "truck": Vehicle(
        "truck", (7.5, 2.4, 3.3), (_CHASSIS, _CARGO, _CAB), (0.14, 0.24, 0.86), 0.48
    ),
    "bus": _coach(11.0, 3.1, "bus", 7, 0.04),
    "train": _coach(19.0, 3.5, "train", 11, 0.12),
}
CARS = ("hatchback", "saloon", "estate")
_PAINTS = (
    (200, 202, 205),
    (60, 62, 68),
    (24, 26, 30),
    (232, 232, 230),
    (150, 24, 28),
    (34, 60, 118),
    (96, 110, 100),
    (176, 152, 104),
)


def draw_vehicle(
    rng: np.random.Generator, view: View, kind: str, x: float, z: float, heading: float
) -> None:
    """Draws a vehicle that stands on the ground.

    Args:
        rng: Random generator.
        view: The picture.
        kind: Name in ``VEHICLES``.
        x: Middle of the vehicle to the right in metres.
        z: Middle of the vehicle ahead in metres.
        heading: Direction in degrees: 0 away from the viewer, 90 to the right.
    """
    vehicle = VEHICLES[kind]
    length, width, height = vehicle.size
    label = ID[vehicle.label]
    if vehicle.label in ("bus", "train"):
        paint = drawing.random_color(rng, (0.4, 0.85), (0.5, 0.95))
    else:
        paint = np.array(_PAINTS[rng.integers(len(_PAINTS))], np.float32)
        paint = paint * np.float32(rng.uniform(0.85, 1.08))
    materials = {
        "body": paint,
        "glass": GLASS * np.float32(rng.uniform(0.8, 1.6)),
        "dark": DARK,
        "cargo": drawing.random_color(rng, (0.0, 0.5), (0.6, 0.95)),
    }
    turn = np.radians(heading)
    ahead = np.array([np.sin(turn), 0, np.cos(turn)])
    right = np.array([np.cos(turn), 0, -np.sin(turn)])
    origin = np.array([x, 0, z])

    def world(along, up, across=0.0) -> np.ndarray:
        forward = (along - 0.5) * length * ahead
        return origin + forward + across * width / 2 * right + [0, up * height, 0]

    reach = np.abs(ahead) * length / 2 + np.abs(right) * width / 2
    view.shadow(x, z, (reach[0] * 1.1 + 0.2, reach[2] + 0.3))
    eye = np.array([0, view.height, 0])
    faces = []  # (corners, normal, colour, marks on it)
    for hull in vehicle.hulls:
        left_side, right_side = (
            np.array([world(along, up, sign * w) for along, up, w in hull.outline])
            for sign in (-1, 1)
        )
        middle = (left_side.mean(0) + right_side.mean(0)) / 2
        for index, skin in enumerate(hull.skins):
            quad = np.array(
                [
                    left_side[index],
                    right_side[index],
                    right_side[index + 1],
                    left_side[index + 1],
                ]
            )
            marks = [
                (_patch(quad, *mark[1:5]), mark[5])
                for mark in hull.marks
                if mark[0] == index
            ]
            normal = np.cross(quad[1] - quad[0], quad[3] - quad[0])
            normal *= np.sign(normal @ (quad.mean(0) - middle) or 1.0)
            faces.append((quad, normal, materials[skin], marks))
        for sign, side in ((-1, left_side), (1, right_side)):
            marks = [
                ([world(*point, 0.97 * sign) for point in pane], materials["glass"])
                for pane in hull.panes
            ]
            faces.append((side, sign * right, materials[hull.side], marks))
    shown = []
    for corners, normal, color, marks in faces:
        center = corners.mean(0)
        if normal @ (eye - center) > 0:
            shown.append((np.linalg.norm(center - eye), corners, color, normal, marks))
    wheels = _wheels(view, vehicle, world, right, eye)
    for wheel in wheels["far"]:
        wheel(label)
    for _, corners, color, normal, marks in sorted(shown, key=lambda face: -face[0]):
        light = view.light(normal)
        view.polygon(corners, color * light, label)
        for patch, mark_color in marks:
            view.polygon(patch, np.asarray(mark_color, np.float32) * light, label)
    for wheel in wheels["near"]:
        wheel(label)


def _patch(quad: np.ndarray, u0: float, u1: float, v0: float, v1: float) -> np.ndarray:
    """Part of a quadrilateral: u along its first edge, v towards the third."""
    across, low, high = quad[1] - quad[0], quad[0], quad[3]
    upper = quad[2] - quad[3]
    return np.array(
        [
            low + u * across + v * ((high + u * upper) - (low + u * across))
            for u, v in ((u0, v0), (u1, v0), (u1, v1), (u0, v1))
        ]
    )


def _wheels(view: View, vehicle: Vehicle, world, right, eye) -> dict[str, list]:
    """Functions that draw the wheels, those beyond the vehicle and the nearer ones."""
    length, _, height = vehicle.size
    radius = vehicle.wheel_radius
    found: dict[str, list] = {"far": [], "near": []}
    angles = np.linspace(0, 2 * np.pi, 17)[:-1]
    for sign in (-1, 1):
        # The wheels of a side that is turned away are behind the body.
        near = sign * right @ (eye - world(0.5, 0, sign)) > 0
        for along in vehicle.wheels:

            def draw(label, sign=sign, along=along) -> None:
                for share, color in ((1.0, DARK), (0.55, np.float32(HUB))):
                    rim = [
                        world(
                            along + share * radius * np.cos(angle) / length,
                            (radius + share * radius * np.sin(angle)) / height,
                            sign * 0.96,
                        )
                        for angle in angles
                    ]
                    view.polygon(rim, color, label)

            found["near" if near else "far"].append(draw)
    return found


@dataclass(frozen=True)
class TwoWheeler:
    """A bicycle or motorcycle; points are (along, up), lengths in metres.

    Attributes:
        label: Name in ``LABELS``.
        wheelbase: Distance of the hubs.
        wheel_radius: Radius of the wheels.
        tyre: Radius of the tyres' cross-section.
        saddle: Where the rider sits.
        handle: Where the rider holds on.
        bars: Bars of the frame: (from, to, radius, name of the colour).
        pose: Pose of the rider.
    """

    label: str
    wheelbase: float
    wheel_radius: float
    tyre: float
    saddle: tuple[float, float]
    handle: tuple[float, float]
    bars: tuple
    pose: str


TWO_WHEELERS = {
    "bicycle": TwoWheeler(
        "bicycle",
        1.06,
        0.34,
        0.028,
        (-0.22, 0.96),
        (0.40, 1.05),
        (
            ((-0.53, 0.34), (-0.06, 0.30), 0.022, "paint"),
            ((-0.53, 0.34), (-0.18, 0.78), 0.018, "paint"),
            ((-0.06, 0.30), (-0.21, 0.93), 0.024, "paint"),
            ((-0.06, 0.30), (0.36, 0.80), 0.026, "paint"),
            ((-0.17, 0.76), (0.35, 0.86), 0.024, "paint"),
            ((0.53, 0.34), (0.36, 1.02), 0.022, "paint"),
            ((-0.32, 0.97), (-0.10, 0.96), 0.045, "dark"),
        ),
        "cycle",
    ),
    "motorcycle": TwoWheeler(
        "motorcycle",
        1.40,
        0.32,
        0.075,
        (-0.25, 0.82),
        (0.42, 1.02),
        (
            ((-0.70, 0.34), (-0.10, 0.42), 0.06, "dark"),
            ((-0.15, 0.42), (0.20, 0.45), 0.19, "dark"),
            ((0.70, 0.32), (0.42, 1.00), 0.045, "hub"),
            ((-0.75, 0.78), (-0.15, 0.74), 0.09, "dark"),
            ((-0.80, 0.70), (-0.45, 0.66), 0.10, "paint"),
            ((-0.08, 0.78), (0.32, 0.84), 0.15, "paint"),
            ((0.48, 0.80), (0.54, 0.88), 0.12, "paint"),
        ),
        "ride",
    ),
}


def draw_two_wheeler(
    rng: np.random.Generator,
    view: View,
    kind: str,
    x: float,
    z: float,
    heading: float,
    ridden: bool,
    ground: float = 0.0,
) -> None:
    """Draws a bicycle or a motorcycle, with or without its rider.

    Args:
        rng: Random generator.
        view: The picture.
        kind: ``bicycle`` or ``motorcycle``.
        x: Its middle to the right in metres.
        z: Its middle ahead in metres.
        heading: Direction in degrees: 0 away from the viewer, 90 to the right.
        ridden: Whether somebody rides it.
        ground: Height of the ground in metres.
    """
    bike = TWO_WHEELERS[kind]
    if z - bike.wheelbase < NEAR:
        return
    label = ID[bike.label]
    colors = {
        "paint": drawing.random_color(rng, (0.3, 0.9), (0.25, 0.9)),
        "dark": DARK * 1.3,
        "hub": np.array(HUB, np.float32),
    }
    turn = np.radians(heading)
    ahead = np.array([np.sin(turn), 0, np.cos(turn)])
    right = np.array([np.cos(turn), 0, -np.sin(turn)])
    origin = np.array([x, ground, z])

    def world(along, up, across=0.0) -> np.ndarray:
        return origin + along * ahead + across * right + [0, up, 0]

    view.shadow(x, z, (0.3 + 0.6 * abs(ahead[0]), 0.25 + 0.6 * abs(ahead[2])))
    angles = np.linspace(0, 2 * np.pi, 19)
    for hub in (-bike.wheelbase / 2, bike.wheelbase / 2):
        rim = [
            world(
                hub + bike.wheel_radius * np.cos(a), bike.wheel_radius * (1 + np.sin(a))
            )
            for a in angles
        ]
        # Cityscapes counts what shows between the spokes as part of the wheel.
        corners = np.round(view.project(rim)).astype(np.int32)
        cv2.fillPoly(view.labels, [corners], label)
        for start, end in zip(rim[:-1], rim[1:], strict=True):
            view.tube(start, end, bike.tyre, DARK, label)
    for start, end, radius, color in bike.bars:
        view.tube(world(*start), world(*end), radius, colors[color], label)
    view.tube(world(*bike.handle, -0.26), world(*bike.handle, 0.26), 0.022, DARK, label)
    if not ridden:
        return
    scale = view.scale(z)
    yaw = np.degrees(np.arctan2(ahead[0], -ahead[2]))
    figure = people.sample_figure(
        rng, (0.0, 0.0), 1.75 * scale, bike.pose, yaw, tilt=(0, 2)
    )
    saddle = view.project([world(*bike.saddle)])[0]
    shift = np.append(saddle - figure.joints["pelvis"][:2] - [0, 0.05 * scale], 0)
    joints = {name: joint + shift for name, joint in figure.joints.items()}
    figure = replace(figure, joints=joints)
    people.draw_figure(view.canvas, view.labels, figure, ID["rider"], one_label=True)
