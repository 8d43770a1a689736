"""MMPose's Inferencer for skeletons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mmengine
import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.apis import Pose2DInferencer
from mmpose.structures import PoseDataSample, split_instances

from .media import Medium, MediumError, as_picture, whole
from .model import CheckedWeights, load_config


class Detector(CheckedWeights, DetInferencer):
    """MMDetection's Inferencer, which also says whether it saw anyone.

    Args:
        category: Its number for a person.
        threshold: Least score of a box.
    """

    def __init__(self, *args: Any, category: int, threshold: float, **kwargs: Any):
        super().__init__(*args, show_progress=False, **kwargs)
        self.category, self.threshold = category, threshold
        self.saw_anyone = False

    def __call__(self, inputs: Any, **options: Any) -> dict:
        """Detect in one image, in colours whatever the pose estimator takes."""
        if not isinstance(inputs, str):
            inputs = as_picture(inputs)
        results = super().__call__(inputs, **options)
        found = results["predictions"][0].pred_instances
        wanted = (found.labels == self.category) & (found.scores > self.threshold)
        self.saw_anyone = bool(wanted.any())
        return results


class GivenBoxes:
    """In the place of a detector: known boxes.

    Args:
        boxes: Name of a file -> boxes (N, 5): left, top, right, bottom, score.
    """

    def __init__(self, boxes: Mapping[str, np.ndarray]) -> None:
        self.boxes = boxes
        self.name = ""

    @property
    def saw_anyone(self) -> bool:
        """Whether there is a box in the image."""
        return len(self.boxes[self.name]) > 0

    def __call__(self, inputs: Any, **options: Any) -> dict:
        """Give the boxes as MMDetection's Inferencer does."""
        boxes = torch.as_tensor(self.boxes[self.name], dtype=torch.float32)
        found = InstanceData(bboxes=boxes[:, :4], scores=boxes[:, 4])
        found.labels = torch.zeros(len(boxes), dtype=torch.int)
        return dict(predictions=[DetDataSample(pred_instances=found)])


class PoseInferencer(CheckedWeights, Pose2DInferencer):
    """Skeletons, by MMPose's ``Pose2DInferencer`` (within ``MMPoseInferencer``).

    Args:
        config: Config of a pose estimator.
        checkpoint: Its weights.
        device: As 'cuda:0' or 'cpu'; the GPU if there is one, if None.
        det_config: Config of a detector of MMDetection that gives the boxes of a
            top-down model; the whole image is one box if None.
        det_checkpoint: The detector's weights.
        boxes: In the place of a detector: boxes by the name of an image's file, (N, 5).
        det_category: The detector's number for a person.
        box_threshold: Least score of a box.
        score_threshold: Least score of a keypoint that is drawn.

    Raises:
        ValueError: If a model cannot be built, or a checkpoint is missing, holds more
            than data or does not fit.
    """

    suffix = ".json"
    detector: Detector | GivenBoxes | None = None

    def __init__(
        self,
        config: Config,
        checkpoint: str | Path,
        device: Any = None,
        det_config: str | Path | None = None,
        det_checkpoint: str | Path | None = None,
        det_category: int = 0,
        box_threshold: float = 0.3,
        score_threshold: float = 0.3,
        boxes: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self._boxes = dict(bbox_thr=box_threshold)
        self._score_threshold = score_threshold
        if "data_mode" not in config:  # where the Inferencer looks for it
            config.data_mode = config.test_dataloader.dataset.data_mode
        super().__init__(
            config, checkpoint, device, "mmpose", det_config, det_checkpoint,
            det_category,
        )  # fmt: skip
        if boxes is not None:
            self.detector, self.det_cat_ids = GivenBoxes(boxes), (0,)
            self._boxes.update(bbox_thr=-1, nms_thr=1)  # all of them count

    def _init_pipeline(self, cfg: Config) -> Compose:
        """Build the pipeline; MMPose's makes no floats of an image that it is given."""
        pipeline = super()._init_pipeline(cfg)
        for k, step in enumerate(pipeline.transforms):
            if getattr(step, "to_float32", False):
                pipeline.transforms.insert(k + 1, _as_float32)
                break
        return pipeline

    def _init_detector(
        self, det_model: Any, det_weights: Any, det_cat_ids: Any, device: Any
    ) -> None:
        """Build the detector, for MMPose, which would take one that unpickles."""
        self.det_cat_ids = (det_cat_ids,)
        if det_model is not None:
            self.detector = Detector(
                load_config(det_model),
                det_weights,
                device,
                category=det_cat_ids,
                threshold=self._boxes["bbox_thr"],
            )

    def forward(self, inputs: Any, **options: Any) -> list[PoseDataSample]:
        """Estimate poses; no one's where the detector saw no one.

        MMPose then takes the whole image for a person.
        """
        samples = super().forward(inputs, **options)
        if self.detector is not None and not self.detector.saw_anyone:
            for sample in samples:
                sample.pred_instances = sample.pred_instances[:0]
        return samples

    def look(
        self, image: np.ndarray, medium: Medium | None = None
    ) -> tuple[np.ndarray, list[dict]]:
        """Find people in an image and draw them.

        Args:
            image: As the pipeline loads it, (H, W) or (H, W, channels).
            medium: Where it is from.

        Returns:
            The drawing, (H, W, 3), uint8, blue, green, red, and the people, in MMPose's
            own layout.
        """
        if isinstance(self.detector, GivenBoxes) and medium is not None:
            self.detector.name = medium.path.name
            if self.detector.name not in self.detector.boxes:
                raise MediumError(f"{medium.place}: no boxes are given for it")
        (result,) = self(image, return_datasamples=True, **self._boxes)
        (sample,) = result["predictions"]
        thickness = max(1, round(max(image.shape) / 300))
        (drawn,) = self.visualize(
            [as_picture(image)],
            [sample],
            return_vis=True,
            draw_bbox=self.detector is not None,
            kpt_thr=self._score_threshold,
            radius=2 * thickness,
            thickness=thickness,
        )
        return drawn[..., ::-1], split_instances(sample.pred_instances)

    @contextmanager
    def saver(self, path: Path, video: bool) -> Iterator[Callable[[Any], None]]:
        """Open a JSON file for the people of an image, or of each frame of a video."""
        frames: list[list[dict]] = []
        yield frames.append
        numbered = [dict(frame_id=k, instances=x) for k, x in enumerate(frames)]
        with whole(path) as partial:
            mmengine.dump(numbered if video else frames[0], partial)


def _as_float32(results: dict) -> dict:
    """Be a step of a pipeline."""
    return dict(results, img=results["img"].astype(np.float32))
