"""A picture of people with true and predicted skeletons, side by side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.apis import inference_topdown, init_model
from mmpose.structures import PoseDataSample, merge_data_samples
from mmpose.visualization import PoseLocalVisualizer
from xtcocotools.coco import COCO

from ..checkpoints import load_weights

ZOOM = 1.5


def ground_truth(annotations: list[dict], zoom: float) -> PoseDataSample:
    """Keypoints and boxes of one image's annotations, as MMPose draws them.

    Args:
        annotations: Annotations in COCO's format.
        zoom: Factor to the size at which the image is drawn.
    """
    keypoints = np.array([a["keypoints"] for a in annotations], float)
    keypoints = keypoints.reshape(len(annotations), -1, 3)
    boxes = np.array([a["bbox"] for a in annotations], float) * zoom
    boxes[:, 2:] += boxes[:, :2]
    instances = InstanceData(
        keypoints=keypoints[..., :2] * zoom,
        keypoints_visible=(keypoints[..., 2] > 0).astype(float),
        bboxes=boxes,
        bbox_scores=np.ones(len(boxes)),
    )
    return PoseDataSample(gt_instances=instances)


def draw_people_grid(
    config: str | Path,
    checkpoint: str | Path,
    out: str | Path,
    num_images: int = 6,
    columns: int = 2,
) -> None:
    """Draw images of a COCO validation set: truth on the left, prediction right.

    The people are those of the annotations, in their annotated boxes.

    Args:
        config: Config of a top-down model; its validation set gives the images.
        checkpoint: Weights of the model.
        out: Image file to write.
        num_images: Number of images, taken evenly from the set.
        columns: Images in a row of the grid.
    """
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    model = init_model(str(config), device=device)
    load_weights(model, checkpoint)
    dataset = Config.fromfile(config).val_dataloader.dataset
    coco = COCO(str(Path(dataset.data_root, dataset.ann_file)))
    folder = Path(dataset.data_root, dataset.data_prefix.img)
    visualizer = PoseLocalVisualizer(radius=3, line_width=2, bbox_color=None)
    visualizer.set_dataset_meta(model.dataset_meta)

    image_ids = sorted(coco.imgs)
    picks = np.linspace(0, len(image_ids) - 1, num_images).astype(int)
    cells = []
    for image_id in (image_ids[k] for k in picks):
        annotations = [
            a
            for a in coco.loadAnns(coco.getAnnIds(imgIds=[image_id]))
            if a["num_keypoints"] > 0
        ]
        image = cv2.imread(str(folder / coco.imgs[image_id]["file_name"]))
        image = cv2.resize(image, None, fx=ZOOM, fy=ZOOM)
        sample = ground_truth(annotations, ZOOM)
        boxes = sample.gt_instances.bboxes
        predictions = inference_topdown(model, image, boxes, bbox_format="xyxy")
        sample.pred_instances = merge_data_samples(predictions).pred_instances
        drawn = visualizer.add_datasample(
            "people", image[..., ::-1], sample, draw_bbox=False, kpt_thr=0.2
        )
        cells.append(drawn[..., ::-1])
    height, width = (max(c.shape[k] for c in cells) for k in (0, 1))
    cells = [
        cv2.copyMakeBorder(
            c, 0, height - c.shape[0] + 4, 0, width - c.shape[1] + 4,
            cv2.BORDER_CONSTANT, value=(255, 255, 255),
        )
        for c in cells
    ]  # fmt: skip
    rows = [cells[k : k + columns] for k in range(0, len(cells), columns)]
    rows[-1] += [np.full_like(cells[0], 255)] * (columns - len(rows[-1]))
    cv2.imwrite(str(out), np.vstack([np.hstack(row) for row in rows]))
