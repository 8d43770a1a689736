"""A small data set of one's own, drawn: figures of nine keypoints in COCO's format."""

import json
from pathlib import Path

import cv2
import numpy as np

KEYPOINTS = (
    "head", "neck", "hip", "l_hand", "r_hand", "l_knee", "r_knee", "l_foot", "r_foot",
)  # fmt: skip
# Place in a figure of height 1 (its left is the picture's right), colour, radius.
PLACES = np.array(
    [[0, -0.4], [0, -0.22], [0, 0.08], [0.24, -0.1], [-0.24, -0.1], [0.12, 0.26],
     [-0.12, 0.26], [0.15, 0.45], [-0.15, 0.45]]
)  # fmt: skip
COLORS = [(60, 60, 230), (60, 200, 230), (230, 160, 60)]
COLORS += [c for c in ((80, 220, 80), (220, 80, 200), (240, 240, 240)) for _ in "lr"]
LINKS = [(0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (2, 6), (5, 7), (6, 8)]


def draw_figure(image, rng, center, height):
    """Draw a figure; return its keypoints (9, 2) in pixels."""
    turn = rng.uniform(-0.3, 0.3)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    places = PLACES + rng.normal(0, 0.03, PLACES.shape)
    points = center + height * places @ turned.T
    body = rng.integers(20, 140, 3).tolist()
    for a, b in LINKS:
        ends = [tuple(np.round(points[k]).astype(int).tolist()) for k in (a, b)]
        cv2.line(image, *ends, body, max(2, round(height / 16)), cv2.LINE_AA)
    for point, color in zip(points, COLORS):
        place = tuple(np.round(point).astype(int).tolist())
        cv2.circle(image, place, max(2, round(height / 22)), color, -1, cv2.LINE_AA)
    return points


def make_own_data(folder, num_train=30, num_val=10, size=(240, 320), seed=0):
    """Write images/, train.json and val.json; return the folder."""
    folder, rng, height = Path(folder), np.random.default_rng(seed), size[0]
    (folder / "images").mkdir(parents=True)
    for split, first, count in (("train", 0, num_train), ("val", num_train, num_val)):
        images, annotations = [], []
        for number in range(first, first + count):
            rough = rng.integers(60, 220, (6, 8, 3)).astype(np.uint8)
            image = cv2.resize(rough, size[::-1], interpolation=cv2.INTER_CUBIC)
            name = f"{number:03d}.jpg"
            images.append(dict(id=number, file_name=name, width=size[1], height=height))
            for left in (0, size[1] // 2):
                tall = height * rng.uniform(0.45, 0.8)
                middle = left + size[1] / 4 + rng.uniform(-10, 10)
                center = np.array([middle, height / 2 + rng.uniform(-15, 15)])
                points = draw_figure(image, rng, center, tall)
                low, high = points.min(0) - tall / 15, points.max(0) + tall / 15
                box = [*low.round(1).tolist(), *(high - low).round(1).tolist()]
                flat = np.column_stack((points.round(1), np.full(len(points), 2)))
                annotations.append(
                    dict(
                        id=len(annotations), image_id=number, category_id=1, bbox=box,
                        area=round(box[2] * box[3], 1), iscrowd=0,
                        keypoints=flat.ravel().tolist(), num_keypoints=len(points),
                    )
                )  # fmt: skip
            cv2.imwrite(str(folder / "images" / name), image)
        content = dict(
            images=images,
            annotations=annotations,
            categories=[dict(id=1, name="figure", keypoints=list(KEYPOINTS))],
        )
        (folder / f"{split}.json").write_text(json.dumps(content))
    return folder


def make_own_classes(folder, num_train=4, num_val=2, size=(96, 128), seed=0):
    """Write pictures of three classes and their labels; return the folder."""
    folder, rng = Path(folder), np.random.default_rng(seed)
    colors = np.array([[60, 90, 120], [60, 160, 60], [60, 60, 200]])
    for split, count in (("train", num_train), ("val", num_val)):
        for part in ("images", "labels"):
            (folder / split / part).mkdir(parents=True)
        for number in range(count):
            labels = np.zeros(size, np.uint8)
            for kind in (1, 2):
                y, x = rng.integers(0, size[0] // 2, 2)
                labels[y : y + 40, x : x + 60] = kind
            noise = rng.normal(0, 12, (*size, 3))
            image = (colors[labels] + noise).clip(0, 255).astype(np.uint8)
            labels[:3] = 255
            cv2.imwrite(str(folder / split / f"images/{number}.jpg"), image)
            cv2.imwrite(str(folder / split / f"labels/{number}.png"), labels)
    return folder
