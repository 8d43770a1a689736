"""People of COCO with PP-TinyPose's weights, from the folder beside the checkout."""

import functools

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, init_default_scope
from mmpose.apis import init_model
from mmpose.evaluation import CocoMetric

from tests.deploy.photographs import PEOPLE, SHARED
from tests.running import ROOT

#: Size of the weights of 2022, "enhance".
SIZES = ("256x192", "128x96")


def config_file(size):
    return ROOT / f"configs/pose/recipes/tinypose_{size}_aic-coco.py"


def weights(size, release="enhance"):
    return SHARED / f"weights/tinypose_{release}_{size}.pdparams"


def data_options(part, loader):
    """What lets a config read a part of COCO, as ``--cfg-options`` has it."""
    return {
        f"{loader}.dataset.data_root": f"{SHARED}/data/coco_{part}2017_subset/",
        f"{loader}.dataset.ann_file": f"annotations/person_keypoints_{part}2017.json",
        f"{loader}.dataset.data_prefix.img": f"{part}2017/",
    }


@functools.cache
def model(size):
    return init_model(str(config_file(size)), str(weights(size)), "cpu")


@functools.cache
def people(size, part="val"):
    """Crops (M, 3, H, W), red, green, blue, 0 to 255, and what MMPose knows of each."""
    config = Config.fromfile(config_file(size))
    config.merge_from_dict(data_options(part, "val_dataloader"))
    init_default_scope("mmpose")
    dataset = DATASETS.build(config.val_dataloader.dataset)
    packed = [dataset[k] for k in range(len(dataset))]
    crops = torch.stack([each["inputs"][[2, 1, 0]] for each in packed]).float()
    return crops, [each["data_samples"] for each in packed]


def predictions(size, network):
    """Keypoints and scores by MMPose's own test, 16 people at once.

    Args:
        size: Size of the weights.
        network: Model of MMPose.
    """
    crops, samples = people(size)
    found = []
    for k in range(0, len(samples), 16):
        batch = pseudo_collate(
            [
                dict(inputs=x[[2, 1, 0]].byte(), data_samples=sample)
                for x, sample in zip(crops[k : k + 16], samples[k : k + 16])
            ]
        )
        with torch.no_grad():
            found += network.test_step(batch)
    points = np.concatenate([each.pred_instances.keypoints for each in found])
    return points, np.concatenate([e.pred_instances.keypoint_scores for e in found])


def to_image(size, points):
    """Keypoints (M, K, 2) in pixels of the crops to pixels of the photographs."""
    _, samples = people(size)
    infos = [sample.metainfo for sample in samples]
    sides, center, scale = (
        np.array([info[f"input_{key}"] for info in infos])[:, None]
        for key in ("size", "center", "scale")
    )
    # Crops reach from the first pixel's centre to the last one's (UDP).
    return points / (sides - 1) * scale + center - scale / 2


def average_precision(size, points, scores):
    """COCO's AP of keypoints in pixels of the photographs."""
    _, samples = people(size)
    path = PEOPLE / "annotations/person_keypoints_val2017.json"
    metric = CocoMetric(ann_file=str(path))
    metric.dataset_meta = model(size).dataset_meta
    for sample, keypoints, likely in zip(samples, points, scores):
        boxes = sample.gt_instances.bboxes
        given = dict(keypoints=keypoints[None], keypoint_scores=likely[None])
        one = dict(bbox_scores=np.ones(1, np.float32), bboxes=boxes)
        truth = dict(one, bbox_scales=sample.gt_instances.bbox_scales)
        kept = {key: sample.metainfo[key] for key in ("id", "img_id", "raw_ann_info")}
        metric.process(
            {},
            [dict(kept, category_id=1, pred_instances={**given, **one},
                  gt_instances=truth)],
        )  # fmt: skip
    return float(metric.evaluate(len(samples))["coco/AP"])
