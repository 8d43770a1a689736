"""Bad cases of segmentation, for which MMSegmentation has no hook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
import mmengine
import numpy as np
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class SegBadCaseAnalysisHook(Hook):
    r"""Draws test images of a low IoU, as MMPose's ``BadCaseAnalysisHook`` does poses.

    Truth and prediction are drawn side by side. An image is rated by its own mIoU, over
    the classes that are in its truth or its prediction; the data set's mIoU adds up the
    pixels of all images first. The configs have it, turned off; on the command line::

        mim test mmsegmentation CONFIG --checkpoint CHECKPOINT --cfg-options \
            default_hooks.badcase.enable=True default_hooks.badcase.badcase_thr=40

    It is for testing in one process.

    Args:
        enable: Whether to do anything.
        badcase_thr: Images of at most this mIoU are bad cases, in percent.
        out_dir: Folder below ``WORK_DIR/TIMESTAMP`` for the pictures, whose names begin
            with the mIoU, and ``results.json``, a list with the IoU of each class that
            begins with the worst image.
        ignore_index: Label of pixels that do not count.
    """

    def __init__(
        self,
        enable: bool = False,
        badcase_thr: float = 50,
        out_dir: str = "badcase",
        ignore_index: int = 255,
    ) -> None:
        self.enable = enable
        self.badcase_thr = badcase_thr
        self.out_dir = out_dir
        self.ignore_index = ignore_index
        self.results: list[dict] = []

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Rate the images of a batch and draw the bad ones."""
        if not self.enable:
            return
        from mmseg.evaluation import IoUMetric

        classes = runner.test_evaluator.dataset_meta["classes"]
        for sample in outputs or ():
            found = sample.pred_sem_seg.data.squeeze()
            truth = sample.gt_sem_seg.data.squeeze().to(found)
            both, either, *_ = IoUMetric.intersect_and_union(
                found, truth, len(classes), self.ignore_index
            )
            # NaN for a class that is in neither.
            ious = (100 * both.double() / either).numpy()
            if np.isnan(ious).all() or np.nanmean(ious) > self.badcase_thr:
                continue
            mean = round(float(np.nanmean(ious)), 2)
            by_class = {n: round(float(v), 2) for n, v in zip(classes, ious) if v == v}
            self.results.append(dict(img=sample.img_path, mIoU=mean, IoU=by_class))
            picture = f"{mean:05.2f}_{Path(sample.img_path).stem}.png"
            runner.visualizer.add_datasample(
                picture,
                mmcv.imread(sample.img_path, channel_order="rgb"),
                sample,
                out_file=str(self._folder(runner) / picture),
                with_labels=False,
            )

    def after_test_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """List the bad cases, the worst first."""
        if not self.enable:
            return
        self.results.sort(key=lambda result: result["mIoU"])
        folder = self._folder(runner)
        mmengine.dump(self.results, folder / "results.json", indent=1)
        runner.logger.info(f"{len(self.results)} bad cases are in {folder}")

    def _folder(self, runner: Runner) -> Path:
        return Path(runner.work_dir, runner.timestamp, self.out_dir)
