"""The tables of docs/zoo.md, made of the zoo's: `python -m tests.docs.zoo_page`."""

from pathlib import Path
from urllib.parse import urlparse

from mmlitehrnet.checkpoints import zoo
from tests.running import ROOT

PAGE = ROOT / "docs/zoo.md"

#: Title of a table of docs/zoo.md -> publisher and boxes of its rows, and their figure.
TABLES = {
    "PaddleDetection: AP with the boxes of the ground truth": (
        "PaddleDetection", "ground truth", "AP"
    ),
    "OpenMMLab, COCO: AP with the boxes of a detector": ("OpenMMLab", "detector", "AP"),
    "OpenMMLab, MPII: mean PCKh@0.5": ("OpenMMLab", "ground truth", "Mean"),
    "timm, ImageNet-1k: for the start of a training": ("timm", None, None),
    "Intel, ImageNet-1k: for the start of a training": ("Intel", None, None),
}  # fmt: skip


def page() -> str:
    """Make the text of the page: what it says, and then the tables."""
    said, _, _ = PAGE.read_text(encoding="utf-8").partition(
        f"\n## {next(iter(TABLES))}"
    )
    parts = [said]
    for title, (publisher, boxes, metric) in TABLES.items():
        figure = f" {metric} |" if metric else ""
        lines = [
            f"## {title}\n",
            f"| name | network | trained on |{figure} file | licence |",
            f"| --- | --- | --- |{' --- |' if metric else ''} --- | --- |",
        ]
        for name, entry in zoo.models().items():
            meta, url = entry["Metadata"], entry["Weights"]
            if (meta["Publisher"], meta.get("Boxes")) != (publisher, boxes):
                continue
            value = ""
            if metric:
                value = f" {100 * entry['Results'][0]['Metrics'][metric]:.1f} |"
            lines.append(
                f"| `{name}` | {entry['In Collection']} | {meta['Training Data']} |"
                f"{value} [{Path(urlparse(url).path).suffix}]({url}) | "
                f"{meta['License']} |"
            )
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
