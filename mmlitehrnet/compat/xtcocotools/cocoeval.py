"""Score keypoints of bodies and of their parts."""

from __future__ import annotations

import io
import warnings
from collections import defaultdict
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from pycocotools import cocoeval

BODY = ("keypoints",)
WHOLE_BODY = (*BODY, "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")

#: What an ``iouType`` other than the body's scores: lists of keypoints, one after the
#: other, and the score of a detection for them.
PARTS = {
    "keypoints_foot": (("foot_kpts",), "foot_score"),
    "keypoints_face": (("face_kpts",), "face_score"),
    "keypoints_lefthand": (("lefthand_kpts",), "lefthand_score"),
    "keypoints_righthand": (("righthand_kpts",), "righthand_score"),
    "keypoints_wholebody": (WHOLE_BODY, "wholebody_score"),
}

#: CrowdPose's classes of images, by ``crowdIndex``: easy, medium, hard.
CROWD_CLASSES = ((-np.inf, 0.2), (0.2, 0.8), (0.8, np.inf))


class COCOeval(cocoeval.COCOeval):
    """COCO's evaluation, of keypoints with the sigmas of any data set.

    pycocotools scores what annotations and detections have under ``keypoints``. It is
    given copies of them that have the keypoints, score, area and ``ignore`` there that
    count for ``iouType``.

    Args:
        cocoGt: Annotations.
        cocoDt: Detections.
        iouType: ``segm``, ``bbox``, ``keypoints``, ``keypoints_crowd`` (CrowdPose), or
            of :data:`PARTS`.
        sigmas: Standard deviation of each keypoint's annotation, (K,); COCO's 17 if
            None.
        use_area: Whether annotations have their area; 0.53 of the box otherwise.
    """

    def __init__(
        self,
        cocoGt: Any = None,
        cocoDt: Any = None,
        iouType: str = "keypoints",
        sigmas: Any = None,
        use_area: bool = True,
    ) -> None:
        self.stats: Any
        self.kind, self.use_area = iouType, use_area
        self.keypoints = "keypoints" in iouType
        super().__init__(cocoGt, cocoDt, "keypoints" if self.keypoints else iouType)
        self.parts, self.score_key = PARTS.get(iouType, (BODY, "score"))
        if self.keypoints and sigmas is not None:
            self.params.kpt_oks_sigmas = np.asarray(sigmas)

    def _prepare(self) -> None:
        if not self.keypoints:
            super()._prepare()
            return
        self._gts, self._dts = defaultdict(list), defaultdict(list)
        self.evalImgs: Any = []
        self.eval: dict[str, Any] = {}
        for truth in self._select(self.cocoGt):
            place = truth["image_id"], truth["category_id"]
            self._gts[place].append(self._truth(truth))
        found = self._select(self.cocoDt)
        if any(self.score_key not in detection for detection in found):
            warnings.warn(f"no {self.score_key!r}: using 'score'", stacklevel=2)
        for detection in found:
            points = self._points(detection)
            if any(visible > 0 for visible in points[2::3]):
                place = detection["image_id"], detection["category_id"]
                key = self.score_key if self.score_key in detection else "score"
                scored = dict(detection, keypoints=points, score=detection[key])
                self._dts[place].append(scored)

    def _select(self, annotations: Any) -> list[dict]:
        categories = {"catIds": self.params.catIds} if self.params.useCats else {}
        ids = annotations.getAnnIds(imgIds=self.params.imgIds, **categories)
        return annotations.loadAnns(ids)

    def _points(self, annotation: dict) -> list[float]:
        return [number for part in self.parts for number in annotation[part]]

    def _truth(self, truth: dict) -> dict:
        points = self._points(truth)
        known = sum(visible > 0 for visible in points[2::3])
        if self.kind == "keypoints_crowd":  # Only visible ones are counted there.
            known = truth["num_keypoints"]
        box_area = truth["bbox"][2] * truth["bbox"][3] * 0.53
        return dict(
            truth,
            keypoints=points,
            ignore=known == 0 or truth.get("iscrowd", 0),
            area=truth.get("area", box_area) if self.use_area else box_area,
            id=truth["id"] + 1,  # pycocotools takes 0 for no match.
        )

    def summarize(self) -> None:
        """Print the results and put them into ``stats``.

        Ten numbers for keypoints. Nine for CrowdPose: AP, AP50, AP75, AR, AR50, AR75,
        and the AP of easy, medium and hard images.
        """
        super().summarize()
        if self.kind == "keypoints_crowd":
            stats = self.stats[[0, 1, 2, 5, 6, 7]]
            classes = [self._crowd_precision(*bounds) for bounds in CROWD_CLASSES]
            print(" AP of easy, medium and hard images: {} {} {}".format(*classes))
            self.stats = np.array([*stats, *classes])

    def _crowd_precision(self, low: float, high: float) -> float:
        images = self.cocoGt.dataset["images"]
        self.params.imgIds = [i["id"] for i in images if low <= i["crowdIndex"] < high]
        with redirect_stdout(io.StringIO()):
            self.evaluate()
            self.accumulate()
        return self.eval["precision"][:, :, :, 0].mean().round(4)
