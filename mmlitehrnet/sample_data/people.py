"""Articulated figures: a posed skeleton in space, its clothes, and its picture.

A figure is built in body axes (x to its left, y up, z forward; lengths in body
heights), posed by joint angles within human limits, turned, and projected without
perspective. It is drawn limb by limb from far to near, so that it hides parts of
itself as a body does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmlitehrnet.sample_data import drawing

SIDES = {"left": 1, "right": -1}

# Lengths in body heights.
BODY = {
    "shin": 0.235,
    "thigh": 0.245,
    "spine": 0.29,  # pelvis to the base of the neck
    "neck": 0.05,  # base of the neck to the base of the skull
    "upper_arm": 0.170,
    "forearm": 0.150,
    "hand": 0.055,
    "foot": 0.085,
    "shoulder": 0.112,  # half of the distance between the joints
    "hip": 0.072,
}
# Half the size of the head along its left, up and forward axes.
HEAD = np.array([0.052, 0.071, 0.061])
ANKLE_HEIGHT = 0.035

# Radii along a limb: pairs (position 0..1, radius in body heights).
LIMBS = {
    "upper_arm": ((0, 0.037), (0.5, 0.033), (1, 0.026)),
    "forearm": ((0, 0.026), (0.3, 0.027), (1, 0.018)),
    "thigh": ((0, 0.056), (0.5, 0.052), (1, 0.037)),
    "shin": ((0, 0.036), (0.3, 0.038), (1, 0.023)),
    "hand": ((0, 0.018), (0.6, 0.022), (1, 0.013)),
    "foot": ((0, 0.027), (0.6, 0.027), (1, 0.020)),
}
# Half width and half depth of the trunk from the pelvis (0) to the neck (1).
TRUNK = (
    (0.00, 0.055, 0.050),
    (0.15, 0.098, 0.062),
    (0.40, 0.083, 0.057),
    (0.72, 0.106, 0.067),
    (0.86, 0.112, 0.058),
    (0.95, 0.086, 0.047),
    (1.00, 0.040, 0.036),
)

# What a pixel of a figure shows. Sided parts follow as ``<side>_<part>``.
PARTS = ("trunk", "pelvis", "neck", "head") + tuple(
    f"{side}_{part}" for side in SIDES for part in LIMBS
)
PART_INDEX = {part: index for index, part in enumerate(PARTS)}

# The parts that show a joint: elsewhere on the figure the joint is hidden.
_SHOWN_BY = {
    "shoulder": ("upper_arm", "trunk"),
    "elbow": ("upper_arm", "forearm"),
    "wrist": ("forearm", "hand"),
    "hip": ("thigh", "pelvis", "trunk"),
    "knee": ("thigh", "shin"),
    "ankle": ("shin", "foot"),
}
SHOWN_BY = {
    f"{side}_{joint}": frozenset(
        PART_INDEX[part if part in PARTS else f"{side}_{part}"] for part in parts
    )
    for side in SIDES
    for joint, parts in _SHOWN_BY.items()
}
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
SHOWN_BY |= {name: frozenset([PART_INDEX["head"]]) for name in FACE}
# A joint this far behind the middle of the trunk is hidden by it (body heights).
TRUNK_HIDES = 0.05


@dataclass(frozen=True)
class Pose:
    """Ranges of joint angles in degrees.

    ``lead`` and ``trail`` are the two sides of the body, left or right by chance.
    A leg is (hip flexion, hip abduction, knee flexion), an arm is (shoulder flexion,
    shoulder abduction, elbow flexion); flexion of the trunk is ``lean``. ``bend`` is
    the direction (forward, towards the middle, up) in which the elbows close.
    """

    weight: float
    lead_leg: tuple
    trail_leg: tuple
    lead_arm: tuple
    trail_arm: tuple
    lean: tuple = (-4, 6)
    bend: tuple = (1.0, 0.3, 0.1)
    seated: bool = False


_LEG = ((-4, 8), (1, 8), (0, 8))
_ARM = ((-12, 14), (5, 16), (4, 35))
POSES = {
    "stand": Pose(2.5, _LEG, _LEG, _ARM, _ARM),
    "walk": Pose(
        2.5,
        ((14, 34), (0, 5), (0, 18)),
        ((-28, -10), (0, 5), (8, 40)),
        ((-35, -8), (5, 12), (5, 35)),
        ((12, 40), (4, 10), (10, 55)),
        (0, 8),
    ),
    "run": Pose(
        1,
        ((40, 75), (0, 8), (50, 100)),
        ((-30, -5), (0, 6), (20, 85)),
        ((-50, -20), (6, 18), (60, 110)),
        ((15, 55), (6, 16), (60, 115)),
        (8, 20),
    ),
    "sit": Pose(
        1.5,
        ((72, 95), (3, 16), (70, 100)),
        ((72, 95), (3, 16), (65, 105)),
        ((8, 50), (5, 18), (15, 80)),
        ((8, 50), (5, 18), (15, 80)),
        (-8, 14),
        seated=True,
    ),
    "cheer": Pose(
        1,
        ((-6, 10), (2, 14), (0, 12)),
        ((-6, 10), (2, 14), (0, 12)),
        ((0, 25), (120, 172), (0, 55)),
        ((0, 25), (120, 172), (0, 55)),
        bend=(0.3, 0.6, 1.0),
    ),
    "wave": Pose(
        1.2,
        _LEG,
        _LEG,
        ((0, 25), (75, 150), (20, 100)),
        _ARM,
        bend=(0.4, 0.2, 1.0),
    ),
    "spread": Pose(
        1,
        ((-5, 10), (10, 24), (0, 10)),
        ((-5, 10), (10, 24), (0, 10)),
        ((-5, 20), (55, 105), (0, 40)),
        ((-5, 20), (55, 105), (0, 40)),
        bend=(0.5, 0.0, 1.0),
    ),
    "akimbo": Pose(
        1,
        _LEG,
        ((-4, 12), (6, 16), (0, 12)),
        ((-22, -6), (34, 50), (75, 105)),
        ((-22, -6), (34, 50), (75, 105)),
        bend=(0.25, 1.0, 0.0),
    ),
    "point": Pose(
        1, _LEG, _LEG, ((55, 110), (0, 25), (0, 25)), _ARM, bend=(0.5, 0.5, 0.5)
    ),
    "squat": Pose(
        0.7,
        ((65, 105), (5, 22), (75, 125)),
        ((65, 105), (5, 22), (75, 125)),
        ((40, 85), (4, 20), (5, 60)),
        ((40, 85), (4, 20), (5, 60)),
        (15, 38),
    ),
    "kick": Pose(
        0.7,
        ((40, 85), (0, 20), (0, 45)),
        _LEG,
        ((-30, 10), (15, 60), (5, 50)),
        ((10, 50), (15, 60), (5, 60)),
        (-10, 6),
    ),
    # Only on a saddle, so never by chance.
    "cycle": Pose(
        0,
        ((62, 80), (0, 5), (80, 100)),
        ((28, 45), (0, 5), (35, 55)),
        ((62, 74), (2, 8), (5, 20)),
        ((62, 74), (2, 8), (5, 20)),
        (16, 28),
    ),
    "ride": Pose(
        0,
        ((62, 75), (8, 16), (75, 95)),
        ((62, 75), (8, 16), (75, 95)),
        ((48, 60), (4, 12), (10, 30)),
        ((48, 60), (4, 12), (10, 30)),
        (4, 14),
    ),
}

# RGB.
SKINS = (
    (246, 205, 176),
    (232, 184, 148),
    (214, 158, 118),
    (178, 122, 84),
    (132, 86, 58),
    (92, 60, 42),
)
HAIRS = (
    (28, 22, 20),
    (58, 38, 26),
    (98, 62, 34),
    (168, 120, 62),
    (214, 178, 112),
    (150, 60, 30),
    (170, 168, 164),
)
# Where hair ends: (name, weight, offset of the hair line; higher means more hair).
HAIRCUTS = (
    ("short", 5, -0.08),
    ("high", 2, -0.30),
    ("long", 3, 0.12),
    ("bald", 1, -9.0),
)
# Eyes on the unit sphere of the head (left, up, forward).
EYE = np.array([0.40, 0.10, 0.0])
EYE[2] = np.sqrt(1 - EYE @ EYE)


@dataclass(frozen=True)
class Look:
    """What a figure wears. Colours are RGB, 0..255."""

    skin: np.ndarray
    hair: np.ndarray
    haircut: str
    hairline: float
    shirt: np.ndarray
    accent: np.ndarray
    pattern: str
    trousers: np.ndarray
    shoes: np.ndarray
    long_sleeves: bool
    short_trousers: bool


@dataclass(frozen=True)
class Figure:
    """A posed and placed figure.

    Attributes:
        joints: Name to (x, y, z): pixels, z towards the viewer. The names of COCO,
            and ``pelvis``, ``thorax``, ``upper_neck``, ``head_top``, hands and toes.
        size: Body height in pixels, as if standing straight.
        turn: (3, 3) camera axes by body axes, of the pelvis.
        chest: The same for the chest.
        head: The same for the head.
        look: Clothes and colours.
        build: Factor of the widths.
        head_size: Factor of the head.
        pose: Name of the pose.
    """

    joints: dict[str, np.ndarray]
    size: float
    turn: np.ndarray
    chest: np.ndarray
    head: np.ndarray
    look: Look
    build: float
    head_size: float
    pose: str

    @property
    def head_center(self) -> np.ndarray:
        """(3,) centre of the head in pixels."""
        return (self.joints["left_ear"] + self.joints["right_ear"]) / 2

    @property
    def head_axes(self) -> np.ndarray:
        """(3, 3) half axes of the head in pixels, one in each column."""
        return self.head * (HEAD * self.head_size * self.size)

    @property
    def head_box(self) -> np.ndarray:
        """(4,) x0, y0, x1, y1 of the head in pixels."""
        reach = np.linalg.norm(self.head_axes[:2], axis=1)
        center = self.head_center[:2]
        return np.concatenate([center - reach, center + reach])

    @property
    def box(self) -> np.ndarray:
        """(4,) x0, y0, x1, y1 around the joints and the head, in pixels."""
        points = np.array([joint[:2] for joint in self.joints.values()])
        low = np.minimum(points.min(0), self.head_box[:2])
        high = np.maximum(points.max(0), self.head_box[2:])
        return np.concatenate([low, high])


def _rotation(axis: int, degrees: float) -> np.ndarray:
    """Rotation about axis 0, 1 or 2 of a right-handed frame."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i] = matrix[j, j] = cos
    matrix[i, j], matrix[j, i] = -sin, sin
    return matrix


def _direction(flexion: float, abduction: float, side: int) -> np.ndarray:
    """Where a hanging limb points in body axes; angles in degrees."""
    flexion, abduction = np.radians(flexion), np.radians(abduction)
    down = np.cos(abduction)
    return np.array(
        [
            side * np.sin(abduction),
            -down * np.cos(flexion),
            down * np.sin(flexion),
        ]
    )


def sample_look(rng: np.random.Generator) -> Look:
    """Draws skin, hair and clothes."""
    weights = np.array([cut[1] for cut in HAIRCUTS], float)
    haircut, _, hairline = HAIRCUTS[
        rng.choice(len(HAIRCUTS), p=weights / weights.sum())
    ]
    skin = np.array(SKINS[rng.integers(len(SKINS))], np.float32)
    return Look(
        skin=skin * np.float32(rng.uniform(0.92, 1.03)),
        hair=np.array(HAIRS[rng.integers(len(HAIRS))], np.float32),
        haircut=haircut,
        hairline=hairline + rng.uniform(-0.05, 0.05),
        shirt=drawing.random_color(rng, (0.05, 0.85), (0.3, 1.0)),
        accent=drawing.random_color(rng, (0.05, 0.85), (0.3, 1.0)),
        pattern=str(rng.choice(["plain", "plain", "stripes", "vest", "band"])),
        trousers=drawing.random_color(rng, (0.1, 0.6), (0.12, 0.75)),
        shoes=drawing.random_color(rng, (0.0, 0.7), (0.1, 0.9)),
        long_sleeves=bool(rng.random() < 0.45),
        short_trousers=bool(rng.random() < 0.3),
    )


def sample_figure(
    rng: np.random.Generator,
    foot: tuple[float, float],
    size: float,
    pose: str | None = None,
    yaw: float | None = None,
    tilt: tuple[float, float] = (2, 12),
) -> Figure:
    """Draws a figure that stands or sits on a point of the ground.

    Args:
        rng: Random generator.
        foot: (x, y) of the ground below the pelvis in pixels.
        size: Body height in pixels, as if standing straight.
        pose: Name in ``POSES``; by chance if None.
        yaw: Degrees about the vertical: 0 faces the viewer, 90 faces the right of the
            image, 180 shows the back; by chance if None.
        tilt: Range of the camera's downward angle in degrees.

    Returns:
        The figure.
    """
    if pose is None:
        weights = np.array([row.weight for row in POSES.values()])
        pose = list(POSES)[rng.choice(len(POSES), p=weights / weights.sum())]
    row = POSES[pose]
    if yaw is None:
        # Front, back and side views are equally frequent, with everything between.
        yaw = rng.choice([0, 0, 180, 90, -90]) + rng.normal(0, 28)
    lengths = {name: value * rng.uniform(0.95, 1.05) for name, value in BODY.items()}
    build = rng.uniform(0.88, 1.2)
    head_size = rng.uniform(0.95, 1.15)
    for name in ("shoulder", "hip"):
        lengths[name] *= 0.6 + 0.4 * build

    def angles(ranges: tuple) -> list[float]:
        return [rng.uniform(low, high) for low, high in ranges]

    lead = str(rng.choice(list(SIDES)))
    joints = {"pelvis": np.zeros(3)}
    for side, sign in SIDES.items():
        leg = row.lead_leg if side == lead else row.trail_leg
        hip_flexion, abduction, knee_flexion = angles(leg)
        hip = np.array([sign * lengths["hip"], 0, 0])
        knee = hip + lengths["thigh"] * _direction(hip_flexion, abduction, sign)
        shin = _direction(hip_flexion - knee_flexion, 0.6 * abduction, sign)
        ankle = knee + lengths["shin"] * shin
        forward = np.array([0.22 * sign, 0, 1]) - 0.6 * shin * shin[2]
        forward /= np.linalg.norm(forward)
        toe = ankle + lengths["foot"] * forward + 0.015 * shin
        names = ("hip", "knee", "ankle", "toe")
        for name, point in zip(names, (hip, knee, ankle, toe), strict=True):
            joints[f"{side}_{name}"] = point

    chest = (
        _rotation(1, rng.normal(0, 8))
        @ _rotation(2, rng.normal(0, 4))
        @ _rotation(0, rng.uniform(*row.lean))
    )
    up = chest[:, 1]
    thorax = lengths["spine"] * up
    neck = thorax + lengths["neck"] * (up + 0.15 * chest[:, 2])
    for side, sign in SIDES.items():
        arm = row.lead_arm if side == lead else row.trail_arm
        flexion, abduction, elbow_flexion = angles(arm)
        raised = max(0.0, np.sin(np.radians(abduction - 60)))
        shoulder = np.array([sign * lengths["shoulder"], -0.030 + 0.035 * raised, 0])
        along = _direction(flexion, abduction, sign)
        elbow = shoulder + lengths["upper_arm"] * along
        close = np.array([-sign * row.bend[1], row.bend[2], row.bend[0]])
        close = close + rng.normal(0, 0.15, 3)
        close -= along * (close @ along)
        close /= max(np.linalg.norm(close), 1e-3)
        bend = np.radians(elbow_flexion)
        fore = np.cos(bend) * along + np.sin(bend) * close
        wrist = elbow + lengths["forearm"] * fore
        hand = wrist + lengths["hand"] * fore
        names = ("shoulder", "elbow", "wrist", "hand")
        for name, point in zip(names, (shoulder, elbow, wrist, hand), strict=True):
            joints[f"{side}_{name}"] = thorax + chest @ point

    # The head turns against the chest, and stays more upright than the trunk.
    level = _rotation(0, -0.5 * rng.uniform(*row.lean) + rng.normal(0, 8))
    head = chest @ _rotation(1, np.clip(rng.normal(0, 20), -55, 55)) @ level
    head = head @ _rotation(2, rng.normal(0, 5))
    axes = head * (HEAD * head_size)
    center = neck + axes @ np.array([0, 0.72, 0.15])
    joints |= {
        "thorax": thorax,
        "upper_neck": neck,
        "head_top": center + axes[:, 1],
        "nose": center + axes @ np.array([0, -0.12, 1.06]),
    }
    for side, sign in SIDES.items():
        joints[f"{side}_eye"] = center + axes @ (EYE * [sign, 1, 1])
        joints[f"{side}_ear"] = center + axes @ np.array([sign, 0, 0])

    lowest = min(
        joints[f"{side}_{end}"][1] for side in SIDES for end in ("ankle", "toe")
    )
    camera = (
        _rotation(2, rng.normal(0, 2.5))
        @ _rotation(0, rng.uniform(*tilt))
        @ _rotation(1, yaw)
    )
    ground = camera @ np.array([0, lowest - ANKLE_HEIGHT, 0])
    placed = {}
    for name, point in joints.items():
        x, y, z = (camera @ point - ground) * size
        placed[name] = np.array([foot[0] + x, foot[1] - y, z])
    # Image axes point down, body axes up.
    flip = np.diag([1.0, -1.0, 1.0])
    return Figure(
        joints=placed,
        size=size,
        turn=flip @ camera,
        chest=flip @ camera @ chest,
        head=flip @ camera @ head,
        look=sample_look(rng),
        build=build,
        head_size=head_size,
        pose=pose,
    )


def faces_viewer(figure: Figure, name: str) -> bool:
    """Whether a point of the face is on the side of the head that the viewer sees."""
    left, _, forward = figure.head.T
    if name == "nose":
        return bool(forward[2] > -0.1)
    sign = SIDES[name.split("_")[0]]
    if name.endswith("ear"):
        return bool(sign * left[2] > -0.35)
    normal = figure.head @ (EYE * [sign, 1, 1] / HEAD)
    return bool(normal[2] / np.linalg.norm(normal) > 0.1)


def _trunk_profile(figure: Figure, start: np.ndarray, end: np.ndarray) -> list:
    """Radii of the trunk as seen from the viewer, in pixels."""
    axis = (end - start)[:2]
    across = np.array([-axis[1], axis[0]]) / max(np.hypot(*axis), 1e-3)
    left, forward = across @ figure.chest[:2, 0], across @ figure.chest[:2, 2]
    scale = figure.build * figure.size
    return [
        (t, float(scale * np.hypot(width * left, depth * forward)))
        for t, width, depth in TRUNK
    ]


_PATTERNS = {
    "plain": None,
    "stripes": lambda t, s: (np.sin(t * 34) > 0).astype(np.float32),
    "vest": lambda t, s: (np.abs(s) > 0.55).astype(np.float32),
    "band": lambda t, s: (np.abs(t - 0.62) < 0.13).astype(np.float32),
}


def _draw_head(canvas, labels, figure: Figure, label: int) -> None:
    """Draws the head as a textured ellipsoid: hair, eyes, brows and mouth."""
    axes, center, look = figure.head_axes, figure.head_center, figure.look
    area = drawing.roi(canvas, *(figure.head_box + [-1, -1, 1, 1]))
    if area is None:
        return
    where, xs, ys = area
    # The nearest point on the ellipsoid below each pixel, on the unit sphere q.
    inverse = np.linalg.inv(axes).astype(np.float32)
    flat = (xs - center[0])[..., None] * inverse[:, 0]
    flat = flat + (ys - center[1])[..., None] * inverse[:, 1]
    depth = inverse[:, 2]
    a, b = float(depth @ depth), flat @ depth
    rho2 = (flat * flat).sum(-1) - b * b / a
    z = (np.sqrt(np.maximum(1 - rho2, 0) * a) - b) / a
    q = flat + z[..., None] * depth
    left, up, forward = q[..., 0], q[..., 1], q[..., 2]
    normal = figure.head[:2] / HEAD @ q[..., None]
    normal = normal[..., 0]
    length = np.linalg.norm(q / HEAD, axis=-1)
    light = drawing.shade(normal[..., 0] / length, normal[..., 1] / length)

    def mix(color: np.ndarray, share: np.ndarray) -> None:
        nonlocal surface
        share = np.clip(share, 0, 1)[..., None]
        surface = surface + share * (np.asarray(color, np.float32) - surface)

    surface = np.broadcast_to(look.skin, (*z.shape, 3))
    away = np.abs(left)
    front = forward > 0.1
    eye = np.hypot(away - EYE[0], (up - EYE[1]) * 1.2)
    mix((245, 245, 245), ((0.21 - eye) * 9 + 0.5) * front)
    mix((30, 24, 28), ((0.13 - eye) * 9 + 0.5) * front)
    brow = np.maximum(np.abs(up - 0.38) - 0.03, np.abs(away - EYE[0]) - 0.2)
    mix(look.hair * 0.7, (0.04 - brow) * 12 * front)
    mouth = np.maximum(np.abs(up + 0.52) - 0.03, away - 0.26)
    mix((150, 50, 50), (0.04 - mouth) * 12 * front)
    hair = 0.8 * up - 0.9 * forward + look.hairline
    mix(look.hair, hair * 7 + 0.5)
    radius = float(np.sqrt(np.prod(figure.head_box[2:] - figure.head_box[:2])) / 2)
    alpha = np.clip((1 - np.sqrt(np.maximum(rho2, 0))) * radius + 0.5, 0, 1)
    drawing.blend(canvas, labels, where, surface * light[..., None], alpha, label)


def draw_figure(
    canvas: np.ndarray,
    labels: np.ndarray | None,
    figure: Figure,
    first_label: int = 0,
    one_label: bool = False,
) -> None:
    """Draws a figure over the canvas.

    Args:
        canvas: (H, W, 3) float32 canvas, changed in place.
        labels: (H, W) int32 label map, changed in place, or None.
        figure: The figure.
        first_label: Label of the first part; part ``PARTS[i]`` gets
            ``first_label + i``.
        one_label: Whether all parts get ``first_label``.
    """
    size, look, joints = figure.size, figure.look, figure.joints
    middle = (joints["pelvis"] + joints["thorax"]) / 2
    jobs = []  # (depth, draw) from far to near

    def label_of(part: str) -> int:
        return first_label if one_label else first_label + PART_INDEX[part]

    def limb(part, start, end, radii, color, nearer=0.0, depth=None, **pattern):
        depth = (start[2] + end[2]) / 2 if depth is None else depth
        # Limbs beyond the trunk get less light.
        gain = 1 + 0.9 * np.clip((depth - middle[2]) / size, -0.25, 0.1)

        def draw() -> None:
            drawing.tube(
                canvas,
                labels,
                start[:2],
                end[:2],
                radii,
                color,
                label_of(part),
                float(gain),
                **pattern,
            )

        jobs.append((depth + nearer * size, draw))

    def radii(name: str, factor: float = 1.0) -> list:
        return [(t, factor * figure.build * size * r) for t, r in LIMBS[name]]

    hips = [joints[f"{side}_hip"] for side in SIDES]
    # The belt lies over the hem of the shirt.
    belt = 0.054 * figure.build * size
    limb("pelvis", *hips, belt, look.trousers, nearer=0.002, depth=middle[2])
    trunk = _trunk_profile(figure, joints["pelvis"], joints["thorax"])
    limb(
        "trunk",
        joints["pelvis"],
        joints["thorax"],
        trunk,
        look.shirt,
        pattern=_PATTERNS[look.pattern],
        second=look.accent,
    )
    # A little below the surface of the trunk's front, so that the collar shows.
    limb(
        "neck",
        joints["thorax"] + (joints["upper_neck"] - joints["thorax"]) * 0.25,
        joints["upper_neck"],
        0.031 * figure.build * size,
        look.skin * 0.93,
        nearer=0.005,
    )
    for side in SIDES:
        # Bare limbs are a little thinner than clothed ones.
        sleeve = (look.shirt, 1.08) if look.long_sleeves else (look.skin, 0.95)
        leg = (look.skin, 0.92) if look.short_trousers else (look.trousers, 1.08)
        pieces = (
            ("upper_arm", "shoulder", "elbow", (look.shirt, 1.06), 0.03),
            ("forearm", "elbow", "wrist", sleeve, 0.04),
            ("hand", "wrist", "hand", (look.skin, 1.0), 0.035),
            ("thigh", "hip", "knee", (look.trousers, 1.0), -0.05),
            ("shin", "knee", "ankle", leg, -0.085),
            ("foot", "ankle", "toe", (look.shoes, 1.0), -0.08),
        )
        for part, start, end, (color, factor), nearer in pieces:
            limb(
                f"{side}_{part}",
                joints[f"{side}_{start}"],
                joints[f"{side}_{end}"],
                radii(part, factor),
                color,
                nearer,
            )
    center, axes = figure.head_center, figure.head_axes
    jobs.append(
        (
            center[2],
            lambda: _draw_head(canvas, labels, figure, label_of("head")),
        )
    )
    for side in SIDES:
        ear = joints[f"{side}_ear"]
        reach = 0.2 * (axes[:, 1])
        # An ear seen from the front lies behind the cheek.
        limb("head", ear - reach, ear + reach, 0.011 * size, look.skin * 0.9, -0.02)
    nose, bridge = joints["nose"], joints["nose"] + 0.3 * axes[:, 1] - 0.1 * axes[:, 2]
    if faces_viewer(figure, "nose"):
        limb("head", bridge, nose, 0.010 * size, look.skin * 0.96)
    if look.haircut == "long":
        back = center - 0.45 * axes[:, 2]
        tip = center - 0.7 * axes[:, 2] - 1.5 * axes[:, 1]
        width = float(np.hypot(*axes[:2, 0]) + 0.6 * np.hypot(*axes[:2, 2]))
        profile = ((0, 0.85 * width), (0.7, 0.8 * width), (1, 0.5 * width))
        limb("head", back, tip, profile, look.hair * 0.92, -0.01)
    for _, draw in sorted(jobs, key=lambda job: job[0]):
        draw()
