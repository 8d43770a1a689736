"""Images of people, rated by object keypoint similarity."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.apis.inference import dataset_meta_from_config
from mmpose.visualization import PoseLocalVisualizer
from scipy.optimize import linear_sum_assignment
from xtcocotools.coco import COCO

from .case import Case
from .people_grid import ground_truth

#: Longer side of a drawn image in pixels, and least score of a drawn keypoint.
SIDE, LEAST_SCORE = 480, 0.2


def object_keypoint_similarity(
    truth: np.ndarray, area: float, found: np.ndarray, sigmas: np.ndarray
) -> np.ndarray:
    """OKS of COCO's keypoint evaluation.

    Args:
        truth: Annotated keypoints (K, 3): x, y, and a flag above 0 where known.
        area: Of the person, in pixels.
        found: Predicted keypoints of M people, (M, K, 2).
        sigmas: Standard deviation of each keypoint's annotation, (K,).

    Returns:
        Similarities (M,), 0..1: the mean over the known keypoints of
        exp(-d^2 / (2 area (2 sigma)^2)).
    """
    known = truth[:, 2] > 0
    distance = ((found[:, known] - truth[known, :2]) ** 2).sum(axis=2)
    spread = 2 * (area + np.spacing(1)) * (2 * sigmas[known]) ** 2
    return np.exp(-distance / spread).mean(axis=1)


def rate(config: Config, predictions: Path) -> list[Case]:
    """Rate every image that has annotated people, by their mean OKS.

    Each person gets the prediction that is nearest, no two the same one; those that are
    nobody's count nothing here.

    Args:
        config: Config of a pose estimator whose test data set is of COCO's format.
        predictions: ``*.keypoints.json`` of ``CocoMetric``.

    Raises:
        FileNotFoundError: If predictions or annotations are missing.
        ValueError: If they are of another format or of another data set.
    """
    init_default_scope("mmpose")
    dataset = config.test_dataloader.dataset
    root = Path(dataset.get("data_root", ""))
    annotations = root / dataset.get("ann_file", "")
    for path in (annotations, predictions):
        if not path.is_file():
            raise FileNotFoundError(f"{path}: there is no such file")
    meta = dataset_meta_from_config(config, "test")
    sigmas = np.array(meta["sigmas"])
    with redirect_stdout(io.StringIO()):  # It tells of its progress.
        coco = COCO(str(annotations))
    if not isinstance(coco.dataset, dict) or not coco.anns:
        raise ValueError(f"{annotations} holds no annotations in the format of COCO")
    found = _read(predictions, coco, len(sigmas))
    folder = root / dataset.get("data_prefix", {}).get("img", "")
    cases = []
    for image_id, image in sorted(coco.imgs.items()):
        people = [
            person
            for person in coco.imgToAnns[image_id]
            if person["num_keypoints"] > 0 and not person.get("iscrowd")
        ]
        if people:
            pairs = _match(people, found.get(image_id, []), sigmas)
            scores = [score for _, score in pairs]
            details = dict(
                people=[
                    dict(annotation=person["id"], oks=score)
                    for person, (_, score) in zip(people, pairs)
                ]
            )
            path = folder / image["file_name"]
            draw = partial(_draw, path, people, pairs, meta)
            cases.append(Case(path.name, float(np.mean(scores)), details, draw))
    return cases


def _read(path: Path, coco: COCO, num_keypoints: int) -> dict[int, list[np.ndarray]]:
    """Predicted keypoints (K, 3) by image."""
    records = json.loads(path.read_text())
    if not isinstance(records, list) or not all(
        isinstance(r, dict) and {"image_id", "keypoints"} <= set(r) for r in records
    ):
        raise ValueError(
            f"{path} is no result of CocoMetric: a list of dicts with 'image_id' and "
            "'keypoints' is needed"
        )
    found: dict[int, list[np.ndarray]] = {}
    for record in records:
        keypoints = np.array(record["keypoints"], float).reshape(-1, 3)
        if record["image_id"] not in coco.imgs or len(keypoints) != num_keypoints:
            raise ValueError(
                f"{path} does not belong to the test data set: image "
                f"{record['image_id']}, {len(keypoints)} keypoints; the data set has "
                f"{len(coco.imgs)} images, {num_keypoints} keypoints"
            )
        found.setdefault(record["image_id"], []).append(keypoints)
    return found


def _match(
    people: list[dict], found: list[np.ndarray], sigmas: np.ndarray
) -> list[tuple[np.ndarray | None, float]]:
    """Give each person a prediction, if there are enough, and its OKS."""
    pairs: list[tuple[np.ndarray | None, float]] = [(None, 0.0)] * len(people)
    if not found:
        return pairs
    points = np.stack(found)[..., :2]
    table = np.stack(
        [
            object_keypoint_similarity(
                np.array(person["keypoints"], float).reshape(-1, 3),
                person.get("area") or 0.53 * person["bbox"][2] * person["bbox"][3],
                points,
                sigmas,
            )
            for person in people
        ]
    )
    for row, column in zip(*linear_sum_assignment(table, maximize=True)):
        pairs[row] = (found[column], float(table[row, column]))
    return pairs


def _draw(path: Path, people: list[dict], pairs: list, meta: dict) -> np.ndarray:
    image = cv2.imread(str(path))
    if image is None:
        raise FileNotFoundError(f"{path} cannot be read as an image")
    zoom = SIDE / max(image.shape[:2])
    image = cv2.resize(image, None, fx=zoom, fy=zoom)
    sample = ground_truth(people, zoom)
    found = [keypoints for keypoints, _ in pairs if keypoints is not None]
    keypoints = np.array(found).reshape(-1, len(meta["sigmas"]), 3)
    sample.pred_instances = InstanceData(
        keypoints=keypoints[..., :2] * zoom, keypoint_scores=keypoints[..., 2]
    )
    visualizer = PoseLocalVisualizer(radius=3, line_width=2)
    visualizer.set_dataset_meta(meta)
    drawn = visualizer.add_datasample(
        "worst", image[..., ::-1], sample, draw_bbox=False, kpt_thr=LEAST_SCORE
    )
    drawn = np.ascontiguousarray(drawn[..., ::-1])
    for person, (_, score) in zip(people, pairs):
        left, top, width, _ = (round(v * zoom) for v in person["bbox"])
        # About as wide as the text; above the middle of the box.
        corner = (image.shape[1] + max(left + width // 2 - 16, 0), max(top - 2, 12))
        for color, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(
                drawn, f"{score:.2f}", corner, cv2.FONT_HERSHEY_SIMPLEX, 0.45,
                color, thickness, cv2.LINE_AA,
            )  # fmt: skip
    return drawn
