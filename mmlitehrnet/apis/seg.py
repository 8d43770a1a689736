"""MMSegmentation's Inferencer for labels of pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.config import Config
from mmseg.apis import MMSegInferencer
from mmseg.registry import DATASETS

from .media import Medium, as_picture, whole
from .model import CheckedWeights


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

    def look(
        self, image: np.ndarray, medium: Medium | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Label the pixels of an image and draw the labels over it.

        Args:
            image: As the pipeline loads it, (H, W) or (H, W, channels).
            medium: Where it is from.

        Returns:
            The drawing, (H, W, 3), uint8, blue, green, red, and the labels (H, W).
        """
        sample = self(image, return_datasamples=True)
        (drawn,) = self.visualize(
            [as_picture(image)[..., ::-1]],
            [sample],
            return_vis=True,
            opacity=self.opacity,
            with_labels=False,
        )
        labels = sample.pred_sem_seg.data[0].cpu().numpy()
        dtype = np.uint8 if labels.max() < 256 else np.uint16
        return drawn[..., ::-1], labels.astype(dtype)

    @contextmanager
    def saver(self, path: Path, video: bool) -> Iterator[Callable[[Any], None]]:
        """Open a PNG file for labels, a pixel's value being its class.

        For a video ``a.png`` stands for ``a/000000.png`` and on; what an earlier video
        left there is removed.
        """
        folder = path.with_suffix("")
        if video:
            for old in folder.glob("[0-9]" * 6 + path.suffix):
                old.unlink()
        numbers = count()

        def save(labels: np.ndarray) -> None:
            name = folder / f"{next(numbers):06d}{path.suffix}" if video else path
            with whole(name) as partial:
                mmcv.imwrite(labels, str(partial))

        yield save
