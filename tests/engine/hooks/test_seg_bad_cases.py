"""Images of a low IoU are drawn and listed, others are not."""

import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer

from mmlitehrnet.engine.hooks import SegBadCaseAnalysisHook

META = dict(classes=("a", "b", "c"), palette=[[9, 0, 0], [0, 9, 0], [0, 0, 9]])
VOID = 255


@pytest.fixture
def runner(tmp_path):
    visualizer = SegLocalVisualizer()
    visualizer.dataset_meta = META
    return SimpleNamespace(
        work_dir=str(tmp_path),
        timestamp="now",
        test_evaluator=SimpleNamespace(dataset_meta=META),
        visualizer=visualizer,
        logger=MMLogger.get_instance("test"),
    )


def sample(folder, name, truth, found):
    path = folder / f"{name}.png"
    cv2.imwrite(str(path), np.full((2, len(truth), 3), 100, np.uint8))
    labels = [PixelData(data=torch.tensor([[row, row]])) for row in (truth, found)]
    result = SegDataSample(metainfo=dict(img_path=str(path)))
    result.gt_sem_seg, result.pred_sem_seg = labels
    return result


def test_images_of_a_low_iou_are_drawn_and_listed(runner, tmp_path):
    outputs = [
        # IoU: a 2 / 3, b 1 / 2; the pixel of no class does not count.
        sample(tmp_path, "fair", [0, 0, 0, 1, VOID], [0, 0, 1, 1, 2]),
        sample(tmp_path, "good", [0, 1, 1], [0, 1, 1]),
        sample(tmp_path, "bad", [0, 0, 2], [1, 1, 2]),
        sample(tmp_path, "empty", [VOID, VOID], [0, 1]),
    ]
    hook = SegBadCaseAnalysisHook(enable=True, badcase_thr=60)
    for batch in (outputs[:2], outputs[2:]):
        hook.after_test_iter(runner, 0, None, batch)
    hook.after_test_epoch(runner)
    folder = tmp_path / "now/badcase"
    listed = json.loads((folder / "results.json").read_text())
    found = [(Path(case["img"]).name, case["mIoU"]) for case in listed]
    assert found == [("bad.png", 33.33), ("fair.png", 58.33)]
    assert listed[1]["IoU"] == {"a": 66.67, "b": 50}
    drawn = {path.name: cv2.imread(str(path)).shape for path in folder.glob("*.png")}
    # Truth and prediction side by side.
    assert drawn == {"33.33_bad.png": (2, 6, 3), "58.33_fair.png": (2, 10, 3)}


def test_nothing_is_done_unless_it_is_enabled(runner, tmp_path):
    hook = SegBadCaseAnalysisHook()
    hook.after_test_iter(runner, 0, None, [sample(tmp_path, "bad", [0], [1])])
    hook.after_test_epoch(runner)
    assert not (tmp_path / "now").exists()
