"""Streets as seen from a car: the ground, what stands along it, and traffic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmlitehrnet.sample_data import drawing, people, vehicles
from mmlitehrnet.sample_data.city_labels import ID
from mmlitehrnet.sample_data.view import View

MIN_SIZE = (64, 128)
KERB = 0.14  # height of the sidewalk in metres
LANE = 3.4  # width in metres
# What a street has in turn, so that rare classes are in every few pictures.
LARGE = ("bus", "truck", "train")
EDGES = ("wall", "fence", "terrain")
TWO_WHEELED = ("bicycle", "motorcycle")

_FACADES = (
    (188, 150, 120),
    (170, 96, 74),
    (206, 196, 176),
    (150, 148, 146),
    (214, 186, 130),
    (128, 118, 112),
    (196, 170, 168),
)
_GREENS = ((74, 106, 48), (92, 120, 56), (58, 92, 52), (116, 124, 60))
_SKIES = (
    ((120, 165, 225), (205, 222, 240)),
    ((190, 200, 212), (226, 230, 234)),
    ((150, 180, 220), (244, 226, 204)),
)


@dataclass(frozen=True)
class Street:
    """The plan of a street; lengths in metres, to the right of the camera.

    Attributes:
        left: Left edge of the road.
        right: Right edge of the road.
        walk: Width of the sidewalks.
        verge: Width of the strips of grass between sidewalk and buildings.
        crossing: Range ahead of a street that crosses.
        end: Where the street ends ahead.
    """

    left: float
    right: float
    walk: float
    verge: tuple[float, float]
    crossing: tuple[float, float]
    end: float

    def line(self, side: int) -> float:
        """Where the buildings of the left (-1) or right (1) side begin."""
        if side < 0:
            return self.left - self.walk - self.verge[0]
        return self.right + self.walk + self.verge[1]

    def kerb(self, side: int) -> float:
        """The edge of the road on the left (-1) or right (1) side."""
        return self.left if side < 0 else self.right


def draw_street(
    rng: np.random.Generator, size: tuple[int, int], number: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a street.

    Args:
        rng: Random generator.
        size: (height, width) in pixels.
        number: Number of the picture; it chooses the rarer things to be seen.

    Returns:
        The RGB image, (H, W, 3) uint8, and the label ids, (H, W) uint8.
    """
    height, width = size
    sun = np.array([rng.choice([-1, 1]) * rng.uniform(0.3, 0.9), 0.9, -0.45])
    view = View(
        canvas=np.zeros((height, width, 3), np.float32),
        labels=np.full(size, ID["sky"], np.int32),
        focal=rng.uniform(0.82, 1.0) * width,
        center=(
            (0.5 + rng.uniform(-0.12, 0.12)) * width,
            rng.uniform(0.40, 0.48) * height,
        ),
        height=rng.uniform(1.25, 1.6),
        sun=sun / np.linalg.norm(sun),
    )
    large = LARGE[number % len(LARGE)]
    edge = EDGES[number // 2 % len(EDGES)]
    two_wheeled = TWO_WHEELED[number % len(TWO_WHEELED)]
    street = _plan(rng, edge)
    _sky(rng, view)
    _skyline(rng, view, street)
    _ground(rng, view, street)
    for side in (-1, 1):
        _roadside(rng, view, street, side, edge)
    things = _furniture(rng, view, street) + _passers_by(rng, view, street)
    things += _traffic(rng, view, street, large, two_wheeled)
    for _, draw in sorted(things, key=lambda thing: -thing[0]):
        draw()
    image = drawing.finish(rng, view.canvas, grain=(0.5, 3.5))
    _own_car(rng, image, view.labels)
    return image, view.labels.astype(np.uint8)


def _plan(rng: np.random.Generator, edge: str) -> Street:
    lanes = rng.uniform(2.0, 3.2)
    start = rng.uniform(16, 40)
    grass = edge == "terrain"
    return Street(
        left=-(0.5 + lanes - 1) * LANE - 0.4,
        right=0.5 * LANE + rng.uniform(0.4, 2.6),
        walk=rng.uniform(2.2, 3.8),
        verge=tuple(
            rng.uniform(1.5, 4.0) if grass or rng.random() < 0.15 else 0.0
            for _ in range(2)
        ),
        crossing=(start, start + rng.uniform(7, 10)),
        end=rng.uniform(70, 120),
    )


def _sky(rng: np.random.Generator, view: View) -> None:
    height, width = view.labels.shape
    top, bottom = np.array(_SKIES[rng.integers(len(_SKIES))], np.float32)
    share = np.clip(np.arange(height) / view.center[1], 0, 1)[:, None, None]
    clouds = drawing.noise(rng, (height, width), (width / 4, width / 10, width / 25))
    white = np.clip(0.35 * clouds + rng.uniform(-0.5, 0.4), 0, 0.8)[..., None]
    sky = top + share.astype(np.float32) * (bottom - top)
    view.canvas[:] = sky + white * (245 - sky)


def _skyline(rng: np.random.Generator, view: View, street: Street) -> None:
    """Houses and trees far away, with haze before them."""
    haze = np.array([190, 200, 210], np.float32)
    for _ in range(26):
        x, z = rng.uniform(-90, 90), street.end + rng.uniform(5, 40)
        if rng.random() < 0.5:
            green = np.array(_GREENS[rng.integers(len(_GREENS))], np.float32)
            radii = (rng.uniform(4, 9), rng.uniform(3, 6))
            color = 0.65 * green + 0.35 * haze
            view.foliage(rng, (x, radii[1] * 0.7, z), radii, color, ID["vegetation"])
        else:
            facade = np.array(_FACADES[rng.integers(len(_FACADES))], np.float32)
            half, top = rng.uniform(4, 10), rng.uniform(6, 16)
            texture = _facade(
                rng, 2 * half, top, view.scale(z), 0.6 * facade + 0.4 * haze
            )
            corners = [
                (x - half, top, z),
                (x + half, top, z),
                (x + half, 0, z),
                (x - half, 0, z),
            ]
            view.picture(corners, texture, ID["building"])


def _ground(rng: np.random.Generator, view: View, street: Street) -> None:
    """Road with markings, sidewalks and grass, pixel by pixel."""
    height, width = view.labels.shape
    first = int(np.floor(view.center[1])) + 1
    ys = np.arange(first, height, dtype=np.float32)[:, None]
    xs = np.arange(width, dtype=np.float32)[None]
    z = view.focal * view.height / (ys - view.center[1])
    x = (xs - view.center[0]) * z / view.focal
    z = np.broadcast_to(z, x.shape)
    cross = (z > street.crossing[0]) & (z < street.crossing[1])
    road = ((x > street.left) & (x < street.right)) | cross
    walk = (x > street.left - street.walk) & (x < street.right + street.walk)
    grain = drawing.noise(rng, x.shape, (3, 1.6))
    stains = drawing.noise(rng, x.shape, (width / 6, width / 16))
    asphalt = np.array([98, 98, 102], np.float32) * rng.uniform(0.75, 1.25)
    paving = np.array([156, 148, 140], np.float32) * rng.uniform(0.85, 1.15)
    grass = np.array([104, 122, 60], np.float32) * rng.uniform(0.8, 1.15)

    color = np.where(road[..., None], asphalt, np.where(walk[..., None], paving, grass))
    # Joints of the paving stones blur with distance.
    joints = ((z % 0.8) < 0.05 * z / 4) | ((np.abs(x) % 0.8) < 0.05)
    stones = walk & ~road & joints & (z < 18)
    color = color * (1 - 0.14 * stones)[..., None]
    middle = (street.left + street.right) / 2 if rng.random() < 0.3 else -LANE / 2
    wide = np.maximum(0.07, 0.6 * z / view.focal)
    dashes = (np.abs(x - middle) < wide) & ((z + rng.uniform(0, 6)) % 6 < 3)
    edges = (np.abs(x - street.left - 0.3) < wide) | (
        np.abs(x - street.right + 0.3) < wide
    )
    before = street.crossing[0]
    zebra = (z > before - 4.5) & (z < before - 1.5) & (x % 1.0 < 0.5)
    stop = (z > before - 6) & (z < before - 5.5) & (x > middle)
    paint = (dashes | edges & (rng.random() < 0.6)) & ~cross & (z < before - 6)
    paint |= dashes & (z > street.crossing[1])
    paint |= (zebra | stop) & (rng.random() < 0.6)
    paint &= road
    color = color + 0.75 * paint[..., None] * (228 - color)
    kerb = np.minimum(np.abs(x - street.left), np.abs(x - street.right)) < 0.12
    color = color * np.where(kerb & ~cross, 1.18, 1.0)[..., None]
    color = color * (1 + 0.035 * grain + 0.05 * stains)[..., None]
    haze = np.clip(z / 160, 0, 0.6)[..., None]
    view.canvas[first:] = color + haze * (np.float32(190) - color)
    labels = np.where(walk, ID["sidewalk"], ID["terrain"])
    view.labels[first:] = np.where(road, ID["road"], labels)


def _facade(
    rng: np.random.Generator,
    length: float,
    height: float,
    scale: float,
    color: np.ndarray,
) -> np.ndarray:
    """A house front with windows.

    Args:
        rng: Random generator.
        length: Length in metres.
        height: Height in metres.
        scale: Pixels of a metre where it will be seen.
        color: RGB, 0..255.

    Returns:
        (h, w, 3) float32 texture.
    """
    pixels = float(np.clip(scale, 4, 16))
    rows, columns = max(int(height * pixels), 8), max(int(length * pixels), 8)
    texture = np.empty((rows, columns, 3), np.float32)
    grain = drawing.noise(rng, (rows, columns), (12, 3))
    texture[:] = color * (1 + 0.04 * grain)[..., None]

    def fill(x: float, y: float, wide: float, high: float, tone) -> None:
        """Fills a rectangle; y counts up from the ground, all in metres."""
        top, bottom = round(rows - (y + high) * pixels), round(rows - y * pixels)
        left, right = round(x * pixels), round((x + wide) * pixels)
        texture[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = tone

    floor = rng.uniform(2.9, 3.6)
    pitch = rng.uniform(2.0, 3.2)
    wide, high = rng.uniform(0.9, 1.5), rng.uniform(1.3, 1.9)
    frame = color * rng.choice([0.7, 1.25])
    shop = rng.random() < 0.4
    columns_of_windows = max(int(length / pitch), 1)
    pitch = length / columns_of_windows
    for level in range(int(height / floor)):
        base = level * floor
        if level:
            fill(0, base - 0.12, length, 0.2, color * 0.82)
        for column in range(columns_of_windows):
            at = (column + 0.5) * pitch
            glass = np.array([58, 70, 86], np.float32) * rng.uniform(0.5, 1.7)
            if level == 0 and shop:
                fill(at - 0.45 * pitch, 0.4, 0.9 * pitch, 2.1, glass)
                continue
            if level == 0 and column % 4 == 1:
                fill(at - 0.6, 0, 1.2, 2.3, color * 0.4)
                continue
            fill(at - wide / 2 - 0.12, base + 0.8, wide + 0.24, high + 0.2, frame)
            fill(at - wide / 2, base + 0.9, wide, high, glass)
            fill(at - 0.04, base + 0.9, 0.08, high, frame)
    if shop:
        sign = drawing.random_color(rng, (0.3, 0.9), (0.4, 0.95))
        fill(0, 2.55, length, 0.5, sign)
    roof = np.array([112, 62, 50], np.float32) * rng.uniform(0.6, 1.2)
    fill(0, height - rng.uniform(0.4, 1.6), length, 2, roof)
    return np.clip(texture, 0, 255)


def _bricks(rng: np.random.Generator, length: float, height: float) -> np.ndarray:
    """A wall of bricks or concrete as a float32 texture."""
    rows, columns = max(int(height * 16), 8), max(int(length * 16), 8)
    color = np.array([148, 106, 88], np.float32) * rng.uniform(0.7, 1.2)
    if rng.random() < 0.5:
        color = np.array([150, 148, 142], np.float32) * rng.uniform(0.7, 1.2)
    ys, xs = np.mgrid[:rows, :columns]
    joints = (ys % 4 == 0) | ((xs + 6 * (ys // 4 % 2)) % 12 == 0)
    tone = 1 + 0.06 * drawing.noise(rng, (rows, columns), (20, 6, 2)) - 0.16 * joints
    return np.clip(color * tone[..., None], 0, 255).astype(np.float32)


def _roadside(
    rng: np.random.Generator, view: View, street: Street, side: int, edge: str
) -> None:
    """Houses, walls, fences and parks along one side, from far to near."""
    line = street.line(side)
    pieces = []
    z = rng.uniform(1.5, 3.0)
    fixed = rng.integers(1, 3)
    while z < street.end:
        length = rng.uniform(7, 20)
        low, high = street.crossing
        if z < low < z + length:
            length = max(low - z, 2.0)
        chance = rng.random()
        kind = "house" if chance < 0.75 else "park"
        if len(pieces) == fixed and edge != "terrain" or chance > 0.9:
            kind = edge if edge != "terrain" else "fence"
        pieces.append((z, z + length, kind))
        z += length
        if low - 0.5 <= z < high:
            z = high
    for start, stop, kind in reversed(pieces):
        if kind == "house":
            _house(rng, view, line, side, start, stop)
            continue
        _trees(rng, view, line, side, start, stop)
        if kind == "wall":
            top = rng.uniform(1.6, 2.8)
            texture = _bricks(rng, stop - start, top) * view.light(
                np.array([-side, 0, 0])
            )
            corners = _upright(line, side, start, stop, top)
            view.picture(corners, texture, ID["wall"])
        elif kind == "fence":
            _fence(rng, view, line, start, stop)


def _upright(line: float, side: int, start: float, stop: float, top: float) -> list:
    """Corners of an upright plane along the street, left to right as seen."""
    first, last = (start, stop) if side < 0 else (stop, start)
    return [(line, top, first), (line, top, last), (line, 0, last), (line, 0, first)]


def _house(
    rng: np.random.Generator,
    view: View,
    line: float,
    side: int,
    start: float,
    stop: float,
) -> None:
    top = rng.uniform(8, 20)
    color = np.array(_FACADES[rng.integers(len(_FACADES))], np.float32)
    color = color * np.float32(rng.uniform(0.8, 1.15))
    depth = line + side * 12
    left, right = min(line, depth), max(line, depth)
    gable = _facade(rng, 12, top, view.scale(start), color)
    corners = [(left, top, start), (right, top, start)]
    corners += [(right, 0, start), (left, 0, start)]
    front = np.float32(view.light(np.array([0.0, 0, -1])))
    view.picture(corners, gable * front, ID["building"])
    near_scale = view.scale(start + 0.3 * (stop - start))
    texture = _facade(rng, stop - start, top, near_scale, color)
    haze = min((start + stop) / 320, 0.4)
    texture = texture * np.float32(view.light(np.array([-side, 0.0, 0])))
    texture = texture + np.float32(haze) * (195 - texture)
    corners = _upright(line, side, start, stop, top)
    view.picture(corners, texture, ID["building"])


def _trees(
    rng: np.random.Generator,
    view: View,
    line: float,
    side: int,
    start: float,
    stop: float,
) -> None:
    """Trees and bushes behind the line of the houses, far ones first."""
    for depth in (9.0, 5.0, 2.0):
        for z in np.arange(stop, start, -3.5):
            x = line + side * (depth + rng.uniform(-1, 1))
            green = np.array(_GREENS[rng.integers(len(_GREENS))], np.float32)
            up = rng.uniform(2.2, 4.5) * (1.0 if depth > 2 else 0.4)
            radii = (rng.uniform(1.8, 3.0), 0.75 * up)
            view.foliage(rng, (x, 0.7 * up, z), radii, green, ID["vegetation"])


def _fence(
    rng: np.random.Generator, view: View, line: float, start: float, stop: float
) -> None:
    """A fence; its label covers what shows between the bars, as in Cityscapes."""
    top = rng.uniform(1.1, 2.0)
    color = drawing.random_color(rng, (0.0, 0.4), (0.15, 0.6))
    corners = [(line, top, start), (line, top, stop), (line, 0, stop), (line, 0, start)]
    flat = view.project(corners)
    area = drawing.roi(view.canvas, *flat.min(0), *flat.max(0))
    if area is None:
        return
    before = view.canvas[area[0]].copy()
    drawing.polygon(view.canvas, view.labels, flat, color, ID["fence"])
    # Slats too fine to see one by one leave a veil.
    view.canvas[area[0]] = 0.6 * before + 0.4 * view.canvas[area[0]]
    label = ID["fence"]
    for z in np.arange(start, min(stop, 40), 0.35):
        view.tube((line, 0, z), (line, top, z), 0.02, color, label)
    for y in (0.15, top):
        view.tube((line, y, start), (line, y, stop), 0.035, color, label)


Thing = tuple[float, Callable[[], None]]


def _furniture(rng: np.random.Generator, view: View, street: Street) -> list[Thing]:
    """Street trees, lamps, lights, signs, bins: (distance, how to draw it)."""
    things: list[Thing] = []
    for side in (-1, 1):
        x = street.kerb(side) + side * 0.6
        trees = rng.random() < 0.5
        z = rng.uniform(5, 12)
        while z < 70:
            if not street.crossing[0] - 1 < z < street.crossing[1] + 1:
                draw = _tree if trees and rng.random() < 0.7 else _lamp
                things.append((z, _call(draw, rng, view, x, z, side)))
            z += rng.uniform(8, 16)
        corner = street.crossing[0] - 1.0
        things.append((corner, _call(_lights, rng, view, x, corner, side)))
        for z in (rng.uniform(6, 12), rng.uniform(12, 30)):
            things.append((z, _call(_sign, rng, view, x, z, side)))
        if rng.random() < 0.5:
            z = rng.uniform(7, 20)
            at = street.kerb(side) + side * (street.walk - 0.5)
            things.append((z, _call(_clutter, rng, view, at, z, side)))
    return things


def _call(draw: Callable, rng: np.random.Generator, *args) -> Callable[[], None]:
    """Binds a drawing function to a generator of its own.

    Things are drawn in order of distance; their look must not depend on it.
    """
    own = np.random.default_rng(rng.integers(1 << 62))
    return lambda: draw(own, *args)


def _tree(rng: np.random.Generator, view: View, x: float, z: float, side: int) -> None:
    trunk, bark = rng.uniform(2.2, 3.2), (86, 70, 56)
    view.shadow(x, z, (1.2, 0.8))
    view.tube((x, 0, z), (x, trunk + 1, z), 0.14, bark, ID["vegetation"])
    green = np.array(_GREENS[rng.integers(len(_GREENS))], np.float32)
    for _ in range(3):
        at = (x + rng.uniform(-0.7, 0.7), trunk + rng.uniform(0.8, 2.2), z)
        radii = (rng.uniform(1.2, 1.9), rng.uniform(1.1, 1.7))
        tone = green * np.float32(rng.uniform(0.85, 1.15))
        view.foliage(rng, at, radii, tone, ID["vegetation"])


def _lamp(rng: np.random.Generator, view: View, x: float, z: float, side: int) -> None:
    top, gray = rng.uniform(5, 7.5), np.array([112, 114, 116]) * rng.uniform(0.6, 1.2)
    view.tube((x, 0, z), (x, top, z), 0.09, gray, ID["pole"])
    arm = x - side * 1.6
    view.tube((x, top, z), (arm, top + 0.3, z), 0.06, gray, ID["pole"])
    view.tube(
        (arm, top + 0.28, z), (arm - side * 0.5, top + 0.3, z), 0.1, gray, ID["pole"]
    )


def _lights(
    rng: np.random.Generator, view: View, x: float, z: float, side: int
) -> None:
    """A pole with one or two traffic lights."""
    gray = (96, 98, 100)
    view.tube((x, 0, z), (x, 3.6, z), 0.08, gray, ID["pole"])
    lit = rng.integers(3)
    spots = [(x - side * 0.22, 2.9)]
    if rng.random() < 0.5:
        view.tube((x, 3.6, z), (x, 5.4, z), 0.08, gray, ID["pole"])
        view.tube((x, 5.4, z), (x - side * 3, 5.5, z), 0.07, gray, ID["pole"])
        spots.append((x - side * 3, 5.1))
    lamps = ((230, 40, 30), (240, 180, 40), (40, 220, 120))
    label = ID["traffic light"]
    for at, up in spots:
        box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (0.19, 0.5) + (at, up)
        corners = np.column_stack([box, np.full(4, z)])
        view.polygon(corners, (30, 32, 34), label)
        radius = 0.12 * view.scale(z)
        for index, color in enumerate(lamps):
            center = view.project([(at, up + 0.3 - 0.3 * index, z)])[0]
            glow = np.float32(color) * (1.0 if index == lit else 0.25)
            drawing.ellipse(
                view.canvas, view.labels, center, (radius, radius), glow, label, False
            )


def _sign(rng: np.random.Generator, view: View, x: float, z: float, side: int) -> None:
    """A traffic sign on a pole."""
    up = rng.uniform(2.1, 2.7)
    view.tube((x, 0, z), (x, up + 0.3, z), 0.045, (130, 132, 134), ID["pole"])
    label, radius = ID["traffic sign"], rng.uniform(0.34, 0.48)
    shape = rng.choice(["disc", "disc", "triangle", "board", "diamond"])
    corners = {"triangle": 3, "board": 4, "diamond": 4}.get(str(shape), 20)
    start = np.pi / 4 if shape == "board" else np.pi / 2
    angles = start + np.arange(corners) * 2 * np.pi / corners
    outer, inner = {
        "disc": ((200, 24, 30), (244, 244, 240)),
        "triangle": ((200, 24, 30), (244, 244, 240)),
        "board": ((240, 240, 240), (24, 80, 170)),
        "diamond": ((244, 244, 240), (240, 196, 40)),
    }[str(shape)]
    if shape == "disc" and rng.random() < 0.4:
        outer, inner = (240, 240, 240), (24, 80, 170)
    for share, color in ((1.0, outer), (0.72, inner), (0.3, np.float32(outer) * 0.5)):
        rim = [
            (x + share * radius * np.cos(a), up + share * radius * np.sin(a), z)
            for a in angles
        ]
        view.polygon(rim, color, label)


def _clutter(
    rng: np.random.Generator, view: View, x: float, z: float, side: int
) -> None:
    """A bin, a box or a bag: things of no class."""
    label = ID[str(rng.choice(["static", "static", "dynamic"]))]
    color = drawing.random_color(rng, (0.1, 0.8), (0.2, 0.7))
    half, top = rng.uniform(0.25, 0.5), rng.uniform(0.7, 1.2)
    view.shadow(x, z, (half * 1.5, 0.4))
    for low, high, share in ((0, top, 0.8), (0.85 * top, top, 1.15)):
        box = [(x - half, low, z), (x + half, low, z), (x + half, high, z)]
        view.polygon([*box, (x - half, high, z)], color * share, label)


def _passers_by(rng: np.random.Generator, view: View, street: Street) -> list[Thing]:
    """People and parked two-wheelers on the sidewalks, people who cross."""
    things: list[Thing] = []
    for _ in range(rng.integers(4, 10)):
        side = rng.choice([-1, 1])
        x = street.kerb(side) + side * rng.uniform(0.5, street.walk - 0.3)
        z = float(rng.uniform(6, 28))
        yaw = float(rng.choice([0, 180]) + rng.normal(0, 25))
        things.append((z, _call(_person, rng, view, x, z, KERB / 2, yaw)))
    for _ in range(rng.integers(0, 3)):
        x = rng.uniform(street.left, street.right)
        z = street.crossing[0] - rng.uniform(1.5, 4.5)
        yaw = float(rng.choice([-90, 90]))
        things.append((z, _call(_person, rng, view, x, z, 0.0, yaw)))
    for _ in range(rng.integers(1, 4)):
        side, kind = rng.choice([-1, 1]), str(rng.choice(TWO_WHEELED, p=(0.7, 0.3)))
        x = street.kerb(side) + side * rng.uniform(0.9, max(street.walk - 0.6, 1.2))
        z, heading = float(rng.uniform(6, 18)), float(rng.uniform(-180, 180))
        draw = vehicles.draw_two_wheeler
        things.append((z, _call(draw, rng, view, kind, x, z, heading, False)))
    return things


def _person(
    rng: np.random.Generator, view: View, x: float, z: float, ground: float, yaw: float
) -> None:
    pose = str(rng.choice(["walk", "walk", "stand", "wave", "akimbo"]))
    foot = view.project([(x, ground, z)])[0]
    size = rng.uniform(1.55, 1.9) * view.scale(z)
    figure = people.sample_figure(rng, tuple(foot), size, pose, yaw, tilt=(0, 3))
    drawing.shadow(view.canvas, foot, (0.25 * size, 0.04 * size))
    people.draw_figure(view.canvas, view.labels, figure, ID["person"], one_label=True)


def _traffic(
    rng: np.random.Generator, view: View, street: Street, large: str, two_wheeled: str
) -> list[Thing]:
    """Vehicles that drive, park and cross."""
    things: list[Thing] = []
    taken: list[tuple[float, float, float]] = []

    def put(kind: str, x: float, z: float, heading: float) -> None:
        """Adds a vehicle where there is room for it."""
        length = vehicles.VEHICLES[kind].size[0]
        reach = length / 2 if abs(np.cos(np.radians(heading))) > 0.5 else 1.2
        clear = all(
            abs(x - other) > 2.3 or abs(z - at) > reach + room + 1
            for other, at, room in taken
        )
        if clear and z - reach > 3.5:
            taken.append((x, z, reach))
            draw = vehicles.draw_vehicle
            things.append((z, _call(draw, rng, view, kind, x, z, heading)))

    def any_car() -> str:
        return str(rng.choice(vehicles.CARS))

    def ride(kind: str, x: float, z: float, heading: float) -> None:
        taken.append((x, z, 1.5))
        draw = vehicles.draw_two_wheeler
        things.append((z, _call(draw, rng, view, kind, x, z, heading, True)))

    oncoming = -LANE
    length = vehicles.VEHICLES[large].size[0]
    if rng.random() < 0.5:
        put(large, oncoming, length / 2 + rng.uniform(7, 16), 180)
    else:
        put(
            large, rng.normal(0, 0.2), length / 2 + rng.uniform(9, 18), rng.normal(0, 2)
        )
    along = rng.random() < 0.5
    x = street.right - 0.8 if along else oncoming + 1.2
    ride(two_wheeled, x, float(rng.uniform(6.5, 12)), 0.0 if along else 180.0)
    if rng.random() < 0.4:
        kind = str(rng.choice(TWO_WHEELED))
        z = street.crossing[0] + rng.uniform(1, 5)
        ride(kind, rng.uniform(street.left, street.right), z, rng.choice([-90, 90]))
    for z in np.cumsum(rng.uniform(6, 22, 4)) + 6:
        put(any_car(), rng.normal(0, 0.2), float(z), rng.normal(0, 2))
    for z in np.cumsum(rng.uniform(6, 25, 4)) + 4:
        put(any_car(), oncoming + rng.normal(0, 0.2), float(z), 180 + rng.normal(0, 2))
    if rng.random() < 0.5:
        z = street.crossing[0] + rng.uniform(2, 5)
        put(any_car(), rng.uniform(-9, 7), z, float(rng.choice([-90, 90])))
    for side in (-1, 1):
        room = street.right - 0.5 * LANE if side > 0 else -1.5 * LANE - street.left
        if room < 1.6 or rng.random() < 0.25:
            continue
        heading = 0.0 if side > 0 else 180.0
        for z in np.arange(rng.uniform(7, 10), 45, rng.uniform(5.6, 7)):
            if not street.crossing[0] - 7 < z < street.crossing[1] + 3:
                if rng.random() < 0.75:
                    x = street.kerb(side) - side * 1.05
                    put(any_car(), x, float(z), heading + rng.normal(0, 2))
    return things


def _own_car(rng: np.random.Generator, image: np.ndarray, labels: np.ndarray) -> None:
    """The bonnet of the camera's car at the bottom and a border out of interest."""
    height, width = labels.shape
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    across = (xs - rng.uniform(0.45, 0.55) * width) / (0.62 * width)
    edge = height * (rng.uniform(0.91, 0.96) + 0.07 * across**2)
    inside = ys > edge
    gloss = 0.6 + 0.5 * np.clip((height - ys) / (0.1 * height), 0, 1)
    paint = np.float32([44, 46, 52]) * rng.uniform(0.7, 1.6)
    bonnet = np.clip(paint * gloss[..., None], 0, 255)
    image[inside] = bonnet[inside].astype(np.uint8)
    labels[inside] = ID["ego vehicle"]
    # The official labels leave out a narrow frame as well.
    rim = max(height // 128, 1)
    frame = np.ones(labels.shape, bool)
    frame[rim:-rim, rim:-rim] = False
    labels[frame] = ID["out of roi"]
