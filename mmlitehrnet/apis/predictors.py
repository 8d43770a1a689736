"""MMPose's and MMSegmentation's Inferencers, one image at a time.

They build the model and its pipeline, predict and draw. Here is what stands around
that: checkpoints are read weights-only and must fit, and results are named by who
calls, not numbered.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import mmengine
import numpy as np
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader

from ..checkpoints import (
    CheckpointError,
    compare_weights,
    explain,
    load_checkpoint,
    weights_of,
)
from .model import load_config, network_from_config

#: Before a file name, it makes MMEngine's checkpoint loading read weights only.
SCHEME = "weights-only:"


@CheckpointLoader.register_scheme(SCHEME, force=True)
def load_from_weights_only(filename: str, map_location: Any = None) -> Any:
    """Read a checkpoint named with :data:`SCHEME`, for MMEngine."""
    return load_checkpoint(filename.removeprefix(SCHEME))


def check_fit(config: Config, path: str | Path) -> dict:
    """Check that a checkpoint loads strictly into the model of a config.

    The Inferencers load what fits and leave the rest of the model random.

    Returns:
        What the checkpoint says about its data set; {} if nothing.

    Raises:
        CheckpointError: If the checkpoint is missing, holds more than data, or does not
            fit.
    """
    checkpoint = load_checkpoint(path)
    config = copy.deepcopy(config)
    config.model.pop("pretrained", None)
    model = network_from_config(config)
    mismatch = compare_weights(model, weights_of(checkpoint, str(path)))
    if not mismatch.exact:
        raise CheckpointError(
            f"{path} does not fit the model of {config.filename}: "
            f"{explain(mismatch, checkpoint)} "
            "(tools/convert_checkpoint.py converts weights of other code)"
        )
    return checkpoint.get("meta") or {}


class _Detector:
    """MMDetection's Inferencer, which also says whether it saw anyone.

    Where it saw no one, MMPose takes the whole image for a person.
    """

    def __init__(self, inferencer: Any, category: int, threshold: float) -> None:
        self.inferencer, self.category = inferencer, category
        self.threshold = threshold
        self.saw_anyone = False

    def __call__(self, image: np.ndarray, **kwargs: Any) -> dict:
        results = self.inferencer(image, **kwargs)
        found = results["predictions"][0].pred_instances
        wanted = (found.labels == self.category) & (found.scores > self.threshold)
        self.saw_anyone = bool(wanted.any())
        return results


class PosePredictor:
    """Skeletons, by MMPose's ``MMPoseInferencer``.

    Args:
        config: Config of a pose estimator.
        checkpoint: Its weights.
        device: As 'cuda:0' or 'cpu'; the GPU if there is one, if None.
        detector: Config and checkpoint of a detector of MMDetection that gives the
            boxes of a top-down model; the whole image is one box if None.
        category: The detector's number for a person.
        box_threshold: Least score of a box.
        score_threshold: Least score of a keypoint that is drawn.

    Raises:
        ValueError: If the detector's config cannot be read, or a checkpoint is
            missing, holds more than data or does not fit its config.
    """

    #: Suffix of an image's result.
    suffix = ".json"

    def __init__(
        self,
        config: Config,
        checkpoint: str | Path,
        device: str | None = None,
        detector: tuple[str, str] | None = None,
        category: int = 0,
        box_threshold: float = 0.3,
        score_threshold: float = 0.3,
    ) -> None:
        from mmpose.apis import MMPoseInferencer

        # The Inferencer looks for these at the config's top level.
        for key, name in (("dataset_type", "type"), ("data_mode", "data_mode")):
            if key not in config:
                config[key] = config.test_dataloader.dataset[name]
        check_fit(config, checkpoint)
        det_config, det_weights = detector or ("whole_image", None)
        if detector is not None:
            check_fit(load_config(det_config), det_weights)
        self._inferencer = MMPoseInferencer(
            config,
            f"{SCHEME}{checkpoint}",
            device=device,
            det_model=str(det_config),
            det_weights=det_weights and f"{SCHEME}{det_weights}",
            det_cat_ids=category,
        )
        inner = self._inferencer.inferencer
        self._detector = None
        if getattr(inner, "detector", None) is not None:
            self._detector = _Detector(inner.detector, category, box_threshold)
            inner.detector = self._detector
        self._options = dict(bbox_thr=box_threshold, kpt_thr=score_threshold)

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, list[dict]]:
        """Find the people of an image and draw them.

        Args:
            image: Image (H, W, 3), uint8, blue, green, red.

        Returns:
            The drawing, of the image's form, and for each person a dict of
            ``keypoints`` (x, y in pixels), ``keypoint_scores``, ``bbox`` and
            ``bbox_score``, as MMPose gives it.
        """
        thickness = max(1, round(max(image.shape[:2]) / 300))
        results = next(
            self._inferencer(
                [image],
                return_vis=True,
                draw_bbox=self._detector is not None,
                radius=2 * thickness,
                thickness=thickness,
                **self._options,
            )
        )
        if self._detector is not None and not self._detector.saw_anyone:
            return image, []
        drawn = np.ascontiguousarray(results["visualization"][0][..., ::-1])
        return drawn, results["predictions"][0]

    def save(self, people: list[dict], stem: Path) -> None:
        """Write the people of an image to ``STEM.json``."""
        mmengine.dump(people, with_suffix(stem, self.suffix))

    def save_video(self, frames: Iterable[list[dict]], stem: Path) -> None:
        """Write the people of all frames to ``STEM.json``."""
        found = [dict(frame_id=k, instances=f) for k, f in enumerate(frames)]
        self.save(found, stem)


class SegPredictor:
    """Labels of pixels, by MMSegmentation's ``MMSegInferencer``.

    Args:
        config: Config of a segmentor.
        checkpoint: Its weights.
        device: As 'cuda:0' or 'cpu'; the GPU if there is one, if None.
        opacity: Of the colours over the image, 0..1.

    Raises:
        CheckpointError: If the checkpoint is missing, holds more than data or does
            not fit the config.
    """

    #: Suffix of an image's result.
    suffix = ".png"

    def __init__(
        self,
        config: Config,
        checkpoint: str | Path,
        device: str | None = None,
        opacity: float = 0.6,
    ) -> None:
        from mmseg.apis import MMSegInferencer
        from mmseg.registry import DATASETS

        meta = check_fit(config, checkpoint)
        self._inferencer = MMSegInferencer(
            config, f"{SCHEME}{checkpoint}", device=device
        )
        self._inferencer.show_progress = False
        if not {"dataset_meta", "CLASSES"} & set(meta):
            # The Inferencer would take Cityscapes' classes for any model.
            dataset = config.test_dataloader.dataset
            known = dataset.get("metainfo") or DATASETS.get(dataset.type).METAINFO
            meta = {k: known.get(k) for k in ("classes", "palette")}
            self._inferencer.model.dataset_meta = meta
        self._opacity = opacity

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Label the pixels of an image and draw the labels over it.

        Args:
            image: Image (H, W, 3), uint8, blue, green, red.

        Returns:
            The drawing, of the image's form, and the labels (H, W).
        """
        sample = self._inferencer(image, return_datasamples=True)
        (drawn,) = self._inferencer.visualize(
            [image[..., ::-1]],
            [sample],
            return_vis=True,
            opacity=self._opacity,
            with_labels=False,
        )
        labels = sample.pred_sem_seg.data[0].cpu().numpy()
        dtype = np.uint8 if labels.max() < 256 else np.uint16
        return np.ascontiguousarray(drawn[..., ::-1]), labels.astype(dtype)

    def save(self, labels: np.ndarray, stem: Path) -> None:
        """Write labels to ``STEM.png``, a pixel's value being its class."""
        stem.parent.mkdir(parents=True, exist_ok=True)
        path = with_suffix(stem, self.suffix)
        path.write_bytes(cv2.imencode(self.suffix, labels)[1].tobytes())

    def save_video(self, frames: Iterable[np.ndarray], stem: Path) -> None:
        """Write the labels of all frames to ``STEM/000000.png`` and on.

        Frames that an earlier video of this name left there are removed.
        """
        for old in stem.glob("[0-9]" * 6 + self.suffix):
            old.unlink()
        for k, labels in enumerate(frames):
            self.save(labels, stem / f"{k:06d}")


def with_suffix(stem: Path, suffix: str) -> Path:
    """Append a suffix to a stem, which may hold dots."""
    return stem.with_name(stem.name + suffix)


#: A config's ``default_scope`` -> who predicts.
PREDICTORS: dict[str, type] = {"mmpose": PosePredictor, "mmseg": SegPredictor}


def open_predictor(
    config: Config, checkpoint: str | Path, **options: Any
) -> PosePredictor | SegPredictor:
    """Open what a config and a checkpoint are for.

    Args:
        config: Config of a pose estimator or a segmentor.
        checkpoint: Weights of the model.
        **options: Further arguments of :class:`PosePredictor` or
            :class:`SegPredictor`.

    Raises:
        ValueError: If the config is for another task, the detector's cannot be read,
            or a checkpoint is not accepted.
    """
    scope = config.get("default_scope")
    if scope not in PREDICTORS:
        raise ValueError(
            f"config {config.filename} has default_scope={scope!r}; a pose estimator's "
            "('mmpose') or a segmentor's ('mmseg') is needed"
        )
    return PREDICTORS[scope](config, checkpoint, **options)
