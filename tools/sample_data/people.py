"""Articulated figures: a posed skeleton in space, its clothes, and its picture.

A figure is built in body axes (x to its left, y up, z forward; lengths in body
heights), posed by the angles of its joints, turned, and projected without perspective.
It is drawn limb by limb from far to near, so that it hides parts of itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .drawing import CIRCLE, Canvas, pick, random_color

SIDES = {"left": 1, "right": -1}
# Bone: (from, to, radii along it, how much nearer it is drawn), in body heights.
LIMBS = {
    "upper_arm": ("shoulder", "elbow", (0.045, 0.041, 0.033), 0.03),
    "forearm": ("elbow", "wrist", (0.033, 0.033, 0.023), 0.04),
    "hand": ("wrist", "hand", (0.022, 0.026, 0.017), 0.035),
    "thigh": ("hip", "knee", (0.064, 0.058, 0.043), -0.05),
    "shin": ("knee", "ankle", (0.042, 0.044, 0.028), -0.08),
    "foot": ("ankle", "toe", (0.031, 0.031, 0.023), -0.075),
}
# Lengths, and the left hip and shoulder from the pelvis and the thorax.
LEG, ARM, FOOT, HAND = (0.245, 0.235), (0.170, 0.150), 0.085, 0.055
SPINE, NECK = 0.29, 0.05
HIP, SHOULDER = np.array([0.072, 0, 0]), np.array([0.112, -0.03, 0])
# Half width and half depth of the trunk at equal steps from the pelvis to the neck.
TRUNK = np.array([
    (0.055, 0.050), (0.098, 0.068), (0.094, 0.066), (0.110, 0.072),
    (0.118, 0.066), (0.048, 0.040),
])  # fmt: skip
# Half the size of the head along its left, up and forward axes.
HEAD = np.array([0.060, 0.080, 0.070])
# Points of the face on the head as a unit sphere (left, up, forward).
FACE = {
    "nose": (0, -0.12, 1.05),
    "left_eye": (0.40, 0.10, 0.91), "right_eye": (-0.40, 0.10, 0.91),
    "left_ear": (1, 0, 0), "right_ear": (-1, 0, 0),
}  # fmt: skip
# What a pixel of a figure shows, as added to the figure's label.
TRUNK_PART, HEAD_PART, NUM_PARTS = 0, 1, 6
PART = {"shoulder": 2, "elbow": 2, "wrist": 2, "hip": 4, "knee": 4, "ankle": 4}

# The direction (forward, towards the middle, up) in which knees and elbows close.
_KNEE = np.array([-1.0, 0.0, -0.5])
_FORWARD, _INWARD, _UP = (1.0, 0.3, 0.1), (0.25, 1.0, 0.0), (0.3, 0.2, 1.0)
# Angles in degrees: a leg is (hip flexion, hip abduction, knee flexion), an arm
# (shoulder flexion, shoulder abduction, elbow flexion); leading leg, trailing leg,
# leading arm, trailing arm, lean of the trunk. Leading is left or right by chance.
POSES = {
    "stand": ((2, 4, 4), (2, 4, 4), (0, 10, 15), (0, 10, 15), 0, _FORWARD),
    "walk": ((24, 2, 8), (-19, 2, 24), (-22, 8, 20), (26, 7, 32), 4, _FORWARD),
    "run": ((55, 4, 75), (-18, 3, 50), (-35, 12, 85), (35, 11, 88), 14, _FORWARD),
    "cheer": ((2, 8, 5), (2, 8, 5), (12, 145, 25), (12, 145, 25), 0, _UP),
    "wave": ((2, 4, 4), (2, 4, 4), (12, 110, 55), (0, 10, 15), 0, _UP),
    "stretch": ((2, 16, 5), (2, 16, 5), (5, 80, 15), (5, 80, 15), 0, _UP),
    "akimbo": ((2, 4, 4), (4, 10, 5), (-14, 42, 90), (-14, 42, 90), 0, _INWARD),
    "point": ((2, 4, 4), (2, 4, 4), (85, 12, 10), (0, 10, 15), 0, _FORWARD),
    "kick": ((62, 8, 20), (2, 4, 4), (-10, 38, 25), (30, 38, 30), -3, _FORWARD),
    "sit": ((84, 9, 85), (84, 9, 85), (30, 11, 45), (30, 11, 45), 3, _FORWARD),
    # Only on a saddle, so never by chance.
    "cycle": ((71, 2, 90), (36, 2, 45), (68, 5, 12), (68, 5, 12), 22, _FORWARD),
    "ride": ((68, 12, 85), (68, 12, 85), (54, 8, 20), (54, 8, 20), 9, _FORWARD),
}
BY_CHANCE = list(POSES)[:-2]
_SKINS = ((246, 205, 176), (232, 184, 148), (214, 158, 118), (178, 122, 84),
          (132, 86, 58), (100, 66, 46))  # fmt: skip
_HAIRS = ((28, 22, 20), (58, 38, 26), (98, 62, 34), (214, 178, 112), (150, 60, 30),
          (170, 168, 164))  # fmt: skip
# Ellipses, in body heights, that a part of the face is drawn with; None is the skin.
_FEATURES: dict[str, tuple] = {
    "eye": (((0.012, 0.011), (245, 245, 245)), ((0.007, 0.008), (30, 24, 28))),
    "ear": (((0.012, 0.020), None),),
    "nose": (((0.010, 0.012), None),),
}


@dataclass(frozen=True)
class Figure:
    """A posed and placed figure.

    Attributes:
        joints: Name to (x, y, z): pixels, z towards the viewer. The names of COCO,
            and ``pelvis``, ``thorax``, ``upper_neck``, ``head_top``, hands and toes.
        size: Body height in pixels, as if standing straight.
        chest: (3, 3) axes of the chest in the picture, one in each column.
        head: (3, 3) half axes of the head in pixels, one in each column.
        look: Bone, ``skin``, ``hair``, ``shirt`` or ``trousers`` to RGB.
        pose: Name of the pose.
    """

    joints: dict[str, np.ndarray]
    size: float
    chest: np.ndarray
    head: np.ndarray
    look: dict[str, np.ndarray]
    pose: str

    @property
    def head_center(self) -> np.ndarray:
        """(3,) centre of the head in pixels."""
        return (self.joints["left_ear"] + self.joints["right_ear"]) / 2

    @property
    def head_box(self) -> np.ndarray:
        """(4,) x0, y0, x1, y1 of the head in pixels."""
        reach = np.linalg.norm(self.head[:2], axis=1)
        center = self.head_center[:2]
        return np.concatenate([center - reach, center + reach])

    @property
    def box(self) -> np.ndarray:
        """(4,) x0, y0, x1, y1 around the joints and the head in pixels."""
        points = np.array([joint[:2] for joint in self.joints.values()])
        points = np.vstack([points, self.head_box.reshape(2, 2)])
        return np.concatenate([points.min(0), points.max(0)])

    def faces_viewer(self, name: str) -> bool:
        """Whether a point of the face is on the side of the head that is seen."""
        away = (self.joints[name] - self.head_center)[2]
        return bool(away > -0.15 * HEAD[0] * self.size)


def _rotation(axis: int, degrees: float) -> np.ndarray:
    """Rotation about axis 0, 1 or 2 of a right-handed frame."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i] = matrix[j, j] = cos
    matrix[i, j], matrix[j, i] = -sin, sin
    return matrix


def _limb(
    start: np.ndarray,
    lengths: tuple[float, float],
    angles: np.ndarray,
    sign: int,
    hinge: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A hanging limb in body axes: where it bends, where it ends, its last direction.

    Angles are flexion, abduction and the bend in degrees, ``sign`` is that of the side.
    """
    flexion, abduction, bend = angles
    along = _rotation(0, -flexion) @ _rotation(2, sign * abduction) @ [0.0, -1.0, 0.0]
    close = np.array([-sign * hinge[1], hinge[2], hinge[0]])
    close -= along * (close @ along)
    close /= max(float(np.linalg.norm(close)), 1e-3)
    turn = np.radians(max(bend, 0))
    last = np.cos(turn) * along + np.sin(turn) * close
    middle = start + lengths[0] * along
    return middle, middle + lengths[1] * last, last


def sample_figure(
    rng: np.random.Generator,
    foot: tuple[float, float],
    size: float,
    pose: str | None = None,
    yaw: float | None = None,
) -> Figure:
    """Draw a figure that stands or sits on a point of the ground.

    Args:
        rng: Random generator.
        foot: (x, y) of the ground below the pelvis in pixels.
        size: Body height in pixels, as if standing straight.
        pose: Name in ``POSES``; by chance if None.
        yaw: Degrees about the vertical: 0 faces the viewer, 90 faces the right of the
            image, 180 shows the back; by chance if None.

    Returns:
        The figure.
    """
    pose = pose or str(rng.choice(BY_CHANCE))
    *limbs, lean, hinge = POSES[pose]
    if yaw is None:
        yaw = float(rng.choice([0, 0, 180, 60, -60]) + rng.normal(0, 20))
    legs = limbs[:2] + rng.normal(0, 5, (2, 3))
    arms = limbs[2:] + rng.normal(0, 10, (2, 3))
    order = rng.permutation(2)
    chest = _rotation(1, rng.normal(0, 8)) @ _rotation(0, lean + rng.normal(0, 3))
    thorax = SPINE * chest[:, 1]
    neck = thorax + NECK * (chest[:, 1] + 0.15 * chest[:, 2])
    head = chest @ _rotation(1, rng.normal(0, 18)) @ _rotation(0, -0.7 * lean)
    head = head * HEAD * rng.uniform(0.97, 1.12)
    center = neck + head @ [0, 0.72, 0.15]
    joints = {"pelvis": np.zeros(3), "thorax": thorax, "upper_neck": neck}
    joints["head_top"] = center + head[:, 1]
    joints |= {name: center + head @ point for name, point in FACE.items()}
    for (side, sign), which in zip(SIDES.items(), order, strict=True):
        hip, shoulder = sign * HIP, SHOULDER * (sign, 1, 1)
        knee, ankle, down = _limb(hip, LEG, legs[which], sign, _KNEE)
        toward = hinge + rng.normal(0, 0.15, 3)
        elbow, wrist, along = _limb(shoulder, ARM, arms[which], sign, toward)
        toe = ankle + FOOT * (np.array([0.22 * sign, 0, 1]) - 0.6 * down * down[2])
        arm = thorax + [shoulder, elbow, wrist, wrist + HAND * along] @ chest.T
        names = "hip knee ankle toe shoulder elbow wrist hand".split()
        for name, point in zip(names, [hip, knee, ankle, toe, *arm], strict=True):
            joints[f"{side}_{name}"] = point

    sole = min(joints[f"{side}_ankle"][1] for side in SIDES) - 0.035
    camera = _rotation(0, rng.uniform(0, 8)) @ _rotation(1, yaw)
    # Image axes point down, body axes up.
    camera = np.diag([1.0, -1.0, 1.0]) @ _rotation(2, rng.normal(0, 2)) @ camera
    origin = np.array([*foot, 0]) - size * camera @ [0, sole, 0]
    placed = {k: origin + size * (camera @ point) for k, point in joints.items()}
    look = _sample_look(rng)
    return Figure(placed, size, camera @ chest, size * camera @ head, look, pose)


def _sample_look(rng: np.random.Generator) -> dict[str, np.ndarray]:
    skin, hair = pick(rng, _SKINS), pick(rng, _HAIRS)
    shirt = random_color(rng, (0.1, 0.85), (0.35, 1.0))
    trousers = random_color(rng, (0.1, 0.6), (0.15, 0.75))
    look = dict(skin=skin, hair=hair, hand=skin, shirt=shirt, upper_arm=shirt)
    look |= dict(trousers=trousers, thigh=trousers)
    look["forearm"] = shirt if rng.random() < 0.4 else skin
    look["shin"] = skin if rng.random() < 0.3 else trousers
    look["foot"] = random_color(rng, (0.0, 0.7), (0.1, 0.9))
    return look


def draw_figure(canvas: Canvas, figure: Figure, labels: Sequence[int]) -> None:
    """Draw a figure with a label for each of its ``NUM_PARTS`` parts.

    These are the trunk, the head, left arm, right arm, left leg and right leg.
    """
    joints, size, look = figure.joints, figure.size, figure.look
    pelvis, thorax, neck = (joints[k] for k in ("pelvis", "thorax", "upper_neck"))
    across = np.array([thorax[1] - pelvis[1], pelvis[0] - thorax[0]])
    across /= max(float(np.hypot(*across)), 1e-3)
    extent = np.abs(TRUNK * (across @ figure.chest[:2, [0, 2]]))
    middle = (pelvis[2] + thorax[2]) / 2
    # (depth, start, end, radii, colour, part), the farthest first when sorted.
    tubes = [
        (middle, pelvis, thorax, np.hypot(*extent.T), look["shirt"], TRUNK_PART),
        (middle + 0.001, *(joints[f"{side}_hip"] for side in SIDES), (0.055, 0.055),
         look["trousers"], TRUNK_PART),
        (middle + 0.005 * size, thorax, neck, (0.033, 0.03), look["skin"], HEAD_PART),
    ]  # fmt: skip
    for index, side in enumerate(SIDES):
        for bone, (start, end, radii, nearer) in LIMBS.items():
            first, last = joints[f"{side}_{start}"], joints[f"{side}_{end}"]
            depth = (first[2] + last[2]) / 2 + nearer * size
            part = PART[start] + index
            tubes.append((depth, first, last, radii, look[bone], part))
    tubes.append((figure.head_center[2], None, None, (), look["skin"], HEAD_PART))
    for _, start, end, radii, color, part in sorted(tubes, key=lambda tube: tube[0]):
        if start is None:
            _draw_head(canvas, figure, labels[part])
        else:
            canvas.tube(start, end, size * np.array(radii), color, labels[part])


def _draw_head(canvas: Canvas, figure: Figure, label: int) -> None:
    """Draw skin and hair as two ellipsoids, the nearer one last, and a face on them."""
    skin, head = figure.look["skin"], figure.head
    outline = CIRCLE @ np.linalg.cholesky(head[:2] @ head[:2].T).T
    balls = [(np.zeros(3), skin), (head @ (0, 0.27, -0.3), figure.look["hair"])]
    for shift, color in sorted(balls, key=lambda ball: ball[0][2]):
        for share, tone in ((1.0, 0.85), (0.85, 1.0)):
            points = (figure.head_center + shift)[:2] + share * outline
            canvas.polygon(points, tone * color, label)
    for name in filter(figure.faces_viewer, FACE):
        for (across, up), color in _FEATURES[name.rpartition("_")[2]]:
            points = figure.joints[name][:2] + CIRCLE * (across, up) * figure.size
            canvas.polygon(points, 0.85 * skin if color is None else color, label)
