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
PARTS = dict(keypoints=17, foot_kpts=6, face_kpts=12, lefthand_kpts=5, righthand_kpts=5)
#: What is scored -> the lists that it is made of.
KINDS = {
    **{f"keypoints{kind}": ["keypoints"] for kind in ("", "_crowd", "_body")},
    **{f"keypoints_{part[:-5]}": [part] for part in list(PARTS)[1:]},
    "keypoints_wholebody": list(PARTS),
}
SCORES = {kind: f"{kind[10:]}_score" for kind in list(KINDS)[3:]}


def write_data(folder: Path, with_area: bool, with_scores: bool, seed: int = 0) -> None:
    """Write `annotations.json` and `detections.json`.

    People of many sizes, crowds, people without known keypoints, ids from 0;
    detections that are near, far, of nobody, double, and empty.
    """
    rng = np.random.RandomState(seed)  # the same in every version of NumPy
    images = [dict(id=k, crowdIndex=rng.rand()) for k in range(1, 31)]
    people, found = [], []
    for image_id in rng.randint(1, 31, 80).tolist():
        corner, size = rng.uniform(0, 400, 2), 2 ** rng.uniform(4, 9)
        sides = np.array([size, size * rng.uniform(1, 3)])
        of, unknown = dict(image_id=image_id, category_id=1), rng.choice([0.1, 0.5, 1])
        person = dict(of, id=len(people), bbox=[*corner, *sides])
        points = {}
        for part, count in PARTS.items():
            flags = rng.randint(1, 3, count) * (rng.rand(count) > unknown)
            points[part] = corner + rng.rand(count, 2) * sides
            person[part] = np.column_stack((points[part], flags)).ravel().tolist()
        known = sum(flag > 0 for flag in person["keypoints"][2::3])
        person["num_keypoints"] = min(known, int(rng.randint(18)))
        area = sides.prod() * rng.uniform(0.3, 0.8)
        people.append(dict(person, area=area) if with_area else person)
        if rng.rand() < 0.1:
            people[-1]["iscrowd"] = 1
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            detection = dict(of, score=rng.choice([0.5, rng.rand()]))
            far = size * rng.choice([0.01, 0.03, 0.1, 0.5])
            for part, places in points.items():
                moved = places + rng.normal(0, far, places.shape)
                likely = np.column_stack((moved, rng.rand(len(places))))
                detection[part] = (likely * (rng.rand() > 0.1)).ravel().tolist()
            given = {key: rng.rand() for key in SCORES.values()}
            found.append(detection | given if with_scores else detection)
    truth = dict(images=images, annotations=people, categories=[dict(id=1, name="p")])
    (folder / "annotations.json").write_text(json.dumps(truth))
    (folder / "detections.json").write_text(json.dumps(found))


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
