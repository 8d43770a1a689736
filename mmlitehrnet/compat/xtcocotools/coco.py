"""Read annotations in COCO's format."""

from __future__ import annotations

import json
from typing import Any

from pycocotools import coco


class COCO(coco.COCO):
    """Annotations, which need not say that they are no crowd.

    Args:
        annotation_file: JSON file, or None for no annotations.
    """

    def __init__(self, annotation_file: str | None = None) -> None:
        super().__init__(annotation_file)
        self.anno_file = [annotation_file]

    def createIndex(self) -> None:
        """Index the annotations."""
        for annotation in self.dataset.get("annotations", ()):
            annotation.setdefault("iscrowd", False)
        super().createIndex()

    def loadRes(self, resFile: Any) -> coco.COCO:
        """Read results, which may be none at all.

        Args:
            resFile: JSON file, list of results, or array that pycocotools reads.
        """
        if isinstance(resFile, str):
            with open(resFile, encoding="utf-8") as file:
                resFile = json.load(file)
        if len(resFile):
            return super().loadRes(resFile)
        results = coco.COCO()
        results.dataset = {"images": list(self.dataset["images"]), "annotations": []}
        results.createIndex()
        return results
