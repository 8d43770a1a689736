"""MMPose's Inferencer for skeletons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmengine
from mmdet.apis import DetInferencer
from mmengine.config import Config
from mmpose.apis import Pose2DInferencer
from mmpose.structures import PoseDataSample

from .inference import CheckedWeights
from .media import Medium
from .model import load_config


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
        """Detect in one image."""
        results = super().__call__(inputs, **options)
        found = results["predictions"][0].pred_instances
        wanted = (found.labels == self.category) & (found.scores > self.threshold)
        self.saw_anyone = bool(wanted.any())
        return results


class PoseInferencer(CheckedWeights, Pose2DInferencer):
    """Skeletons, by MMPose's ``Pose2DInferencer`` (within ``MMPoseInferencer``).

    Args:
        config: Config of a pose estimator.
        checkpoint: Its weights.
        device: As 'cuda:0' or 'cpu'; the GPU if there is one, if None.
        det_config: Config of a detector of MMDetection that gives the boxes of a
            top-down model; the whole image is one box if None.
        det_checkpoint: The detector's weights.
        det_category: The detector's number for a person.
        box_threshold: Least score of a box.
        score_threshold: Least score of a keypoint that is drawn.

    Raises:
        ValueError: If a model cannot be built, or a checkpoint is missing, holds more
            than data or does not fit.
    """

    suffix = ".json"

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
    ) -> None:
        self._thresholds = dict(bbox_thr=box_threshold, kpt_thr=score_threshold)
        if "data_mode" not in config:  # where the Inferencer looks for it
            config.data_mode = config.test_dataloader.dataset.data_mode
        super().__init__(
            config, checkpoint, device, "mmpose", det_config, det_checkpoint,
            det_category,
        )  # fmt: skip

    def _init_detector(
        self, det_model: Any, det_weights: Any, det_cat_ids: Any, device: Any
    ) -> None:
        """Build the detector, for MMPose, which would take one that unpickles."""
        self.detector = None
        self.det_cat_ids = (det_cat_ids,)
        if det_model is not None:
            self.detector = Detector(
                load_config(det_model),
                det_weights,
                device,
                category=det_cat_ids,
                threshold=self._thresholds["bbox_thr"],
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

    def visualize(self, inputs: list, preds: list, **options: Any) -> Any:
        """Draw poses, with lines that suit the size of the image."""
        thickness = max(1, round(max(preds[0].ori_shape) / 300))
        return super().visualize(
            inputs, preds, radius=2 * thickness, thickness=thickness, **options
        )

    def predict(self, medium: Medium, drawing: Path, result: Path) -> Iterator[None]:
        """Find people, draw them and write them down, in MMPose's own layout.

        Args:
            medium: An image, or a video.
            drawing: File for the drawing: of the image's name, or a video.
            result: JSON file for a list of people, or of frames.

        Yields:
            None, after each frame.
        """
        video = medium.kind == "video"
        frames = []
        for frame in self(
            str(medium.path),
            vis_out_dir=str(drawing if video else drawing.parent),
            draw_bbox=self.detector is not None,
            **self._thresholds,
        ):
            frames.append(frame["predictions"][0])
            yield
        found = [dict(frame_id=k, instances=people) for k, people in enumerate(frames)]
        mmengine.dump(found if video else frames[0], result)
