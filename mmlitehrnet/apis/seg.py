"""MMSegmentation's Inferencer for labels of pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from mmengine.config import Config
from mmseg.apis import MMSegInferencer
from mmseg.registry import DATASETS

from .inference import CheckedWeights
from .media import Medium


class SegInferencer(CheckedWeights, MMSegInferencer):
    """Labels of pixels, by MMSegmentation's ``MMSegInferencer``.

    Args:
        config: Config of a segmentor.
        checkpoint: Its weights.
        device: As 'cuda:0' or 'cpu'; the GPU if there is one, if None.
        opacity: Of the colours over the image, 0..1.

    Raises:
        ValueError: If the model cannot be built, or the checkpoint is missing, holds
            more than data or does not fit.
    """

    suffix = ".png"

    def __init__(
        self,
        config: Config,
        checkpoint: str | Path,
        device: Any = None,
        opacity: float = 0.6,
    ) -> None:
        super().__init__(config, checkpoint, device=device)
        self.show_progress = False
        self.opacity = opacity

    def _load_weights_to_model(self, model: Any, checkpoint: dict, cfg: Config) -> None:
        """Load weights; take the classes of the config where a checkpoint has none.

        MMSegmentation takes those of Cityscapes for any model.
        """
        super()._load_weights_to_model(model, checkpoint, cfg)
        if not {"dataset_meta", "CLASSES"} & set(checkpoint.get("meta") or {}):
            dataset = cfg.test_dataloader.dataset
            known = dataset.get("metainfo") or DATASETS.get(dataset.type).METAINFO
            model.dataset_meta = {k: known.get(k) for k in ("classes", "palette")}

    def label(self, image: str | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Label the pixels of an image and draw the labels over it.

        Args:
            image: A file, or an image (H, W, 3), uint8, blue, green, red.

        Returns:
            The drawing, (H, W, 3), uint8, blue, green, red, and the labels (H, W).
        """
        sample = self(image, return_datasamples=True)
        (drawn,) = self.visualize(
            [image if isinstance(image, str) else image[..., ::-1]],
            [sample],
            return_vis=True,
            opacity=self.opacity,
            with_labels=False,
        )
        labels = sample.pred_sem_seg.data[0].cpu().numpy()
        dtype = np.uint8 if labels.max() < 256 else np.uint16
        return drawn[..., ::-1], labels.astype(dtype)

    def predict(self, medium: Medium, drawing: Path, result: Path) -> Iterator[None]:
        """Label pixels, draw the labels and write them down.

        Args:
            medium: An image, or a video.
            drawing: File for the drawing.
            result: PNG file for the labels, a pixel's value being its class; for a
                video ``a.png`` stands for ``a/000000.png`` and on, and what an earlier
                video left there is removed.

        Yields:
            None, after each frame.
        """
        if medium.kind == "image":
            drawn, labels = self.label(str(medium.path))
            mmcv.imwrite(drawn, str(drawing))
            mmcv.imwrite(labels, str(result))
            yield
            return
        folder = result.with_suffix("")
        for old in folder.glob("[0-9]" * 6 + result.suffix):
            old.unlink()
        video = mmcv.VideoReader(str(medium.path))
        with _video_writer(drawing, video) as writer:
            for k, frame in enumerate(video):
                drawn, labels = self.label(frame)
                writer.write(np.ascontiguousarray(drawn))
                mmcv.imwrite(labels, str(folder / f"{k:06d}{result.suffix}"))
                yield


@contextmanager
def _video_writer(path: Path, like: mmcv.VideoReader) -> Iterator[cv2.VideoWriter]:
    """Open an MP4 file for frames of the size and rate of another video's."""
    code = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), code, like.fps, (like.width, like.height))
    try:
        yield writer
    finally:
        writer.release()
