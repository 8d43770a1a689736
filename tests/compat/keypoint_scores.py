"""Scores of xtcocotools on generated annotations and detections.

On the reference stack, which has the real one, this makes the file that the tests
compare the stand-in with:

    python -m tests.compat.keypoint_scores tests/data/keypoint_scores.json
"""

import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from random import Random

import numpy as np

#: Lists of keypoints of COCO-WholeBody, and how many each holds.
PARTS = {
    "keypoints": 17,
    "foot_kpts": 6,
    "face_kpts": 12,
    "lefthand_kpts": 5,
    "righthand_kpts": 5,
}
#: What is scored -> the lists that it is made of.
KINDS = {
    "keypoints": ["keypoints"],
    "keypoints_crowd": ["keypoints"],
    "keypoints_body": ["keypoints"],
    "keypoints_foot": ["foot_kpts"],
    "keypoints_face": ["face_kpts"],
    "keypoints_lefthand": ["lefthand_kpts"],
    "keypoints_righthand": ["righthand_kpts"],
    "keypoints_wholebody": list(PARTS),
}
SCORES = {kind: f"{kind[10:]}_score" for kind in list(KINDS)[3:]}


def draw_points(rng, box, count, unknown):
    x, y, width, height = box
    points = []
    for _ in range(count):
        at = x + rng.random() * width, y + rng.random() * height
        points += [*at, 0 if rng.random() < unknown else rng.choice((1, 2))]
    return points


def move(rng, points, far):
    moved = []
    for x, y in zip(points[::3], points[1::3]):
        moved += [x + rng.gauss(0, far), y + rng.gauss(0, far), rng.random()]
    return moved


def write_data(folder: Path, with_area: bool, with_scores: bool, seed: int = 0) -> None:
    """Write `annotations.json` and `detections.json`.

    People of many sizes, crowds, people without known keypoints, ids from 0;
    detections that are near, far, of nobody, double, and empty.
    """
    rng = Random(seed)
    images = [{"id": k + 1, "crowdIndex": rng.random()} for k in range(30)]
    people, found = [], []
    for image in images:
        for _ in range(rng.randrange(6)):
            size = 2 ** rng.uniform(4, 9)
            box = [
                rng.random() * 400,
                rng.random() * 400,
                size,
                size * rng.uniform(1, 3),
            ]
            unknown = rng.choice((0.1, 0.5, 0.9, 1))
            person = {
                "id": len(people),
                "image_id": image["id"],
                "category_id": 1,
                "bbox": box,
            }
            for part, count in PARTS.items():
                person[part] = draw_points(rng, box, count, unknown)
            known = sum(v > 0 for v in person["keypoints"][2::3])
            person["num_keypoints"] = min(known, rng.randrange(18))
            area = box[2] * box[3] * rng.uniform(0.3, 0.8)
            if with_area:
                person["area"] = area
            if rng.random() < 0.1:
                person["iscrowd"] = 1
            people.append(person)
            for _ in range(rng.choice((0, 1, 1, 1, 2))):
                far = size * rng.choice((0.01, 0.03, 0.1, 0.5))
                detection = {"image_id": image["id"], "category_id": 1}
                for part in PARTS:
                    empty = rng.random() < 0.1
                    points = [0] * len(person[part])
                    if not empty:
                        points = move(rng, person[part], far)
                    detection[part] = points
                detection["score"] = rng.choice((0.5, rng.random()))
                for key in SCORES.values() if with_scores else ():
                    detection[key] = rng.random()
                found.append(detection)
    annotations = {
        "images": images,
        "annotations": people,
        "categories": [{"id": 1, "name": "person"}],
    }
    for name, content in (("annotations", annotations), ("detections", found)):
        (folder / f"{name}.json").write_text(json.dumps(content))


def scores(tools: str = "xtcocotools") -> dict[str, list[float]]:
    """Results of every kind of evaluation.

    Args:
        tools: Package to score with.
    """
    coco = import_module(f"{tools}.coco")
    evaluation = import_module(f"{tools}.cocoeval")
    found = {}
    for with_area, with_scores in ((True, True), (False, False)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_data(folder, with_area, with_scores)
            for kind, parts in KINDS.items():
                for use_area in {with_area, False}:
                    rng = Random(1)
                    count = sum(PARTS[part] for part in parts)
                    sigmas = np.array([rng.uniform(0.02, 0.1) for _ in range(count)])
                    truth = coco.COCO(str(folder / "annotations.json"))
                    results = truth.loadRes(str(folder / "detections.json"))
                    scored = evaluation.COCOeval(truth, results, kind, sigmas, use_area)
                    scored.evaluate()
                    scored.accumulate()
                    scored.summarize()
                    key = f"{kind}, areas {with_area} used {use_area}"
                    found[key] = [float(value) for value in scored.stats]
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(scores(), indent=1) + "\n")
