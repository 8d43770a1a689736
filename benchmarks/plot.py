"""Latency against accuracy, as a picture.

``python -m benchmarks.plot RESULTS.json PICTURE.png`` draws what
``benchmarks.inference`` measured.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.networks import CANDIDATES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

#: What is drawn in which colour.
COLORS = {
    "deployed": "tab:red",
    "as trained": "tab:orange",
    "other networks": "tab:gray",
}
#: What a runtime is called in the picture.
TITLES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "pytorch": "PyTorch"}
# Where a label may be, in points from the upper right of what it belongs to.
_PLACES = [(across, up) for up in (4, -9, 11, -16, 18, -23, 25) for across in (4, -4)]


def plot(latencies: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw the networks' latency against their published AP, two runtimes a row.

    Args:
        latencies: Runtime to label of a network to milliseconds.
        path: Image file to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    columns = min(len(latencies), 2)
    rows = -(-len(latencies) // 2)
    size = 5.5 * columns, 5 * rows
    figure, axes = pyplot.subplots(rows, columns, figsize=size, dpi=130, squeeze=False)
    for axis in axes.flat[len(latencies) :]:
        axis.set_visible(False)
    for axis, (runtime, networks) in zip(axes.flat, latencies.items()):
        axis.set(
            title=TITLES.get(runtime, runtime),
            xlabel="median latency, ms",
            ylabel="COCO AP, published",
            xscale="log",
        )
        for kind, color in COLORS.items():
            names = [name for name in networks if _kind(name) == kind]
            places = [(networks[name], _ap(name)) for name in names]
            axis.scatter(*zip(*places) if places else ([], []), color=color, label=kind)
        axis.legend(loc="lower right", fontsize=7)
        axis.margins(x=0.2, y=0.1)
        axis.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(ticker.ScalarFormatter())
        axis.xaxis.set_minor_formatter(ticker.NullFormatter())
        axis.grid(alpha=0.3)
    figure.tight_layout()
    for axis, networks in zip(axes.flat, latencies.values()):
        # A deployed network is named beside what it is trained as.
        lines = {}
        for name in filter(CANDIDATES.get, networks):
            both = networks[name], networks.get(f"{name}, deployed", networks[name])
            (lines[name],) = axis.plot(both, [_ap(name)] * 2, "tab:orange", lw=0.5)
        figure.canvas.draw()  # Settles where everything is.
        taken = [line.get_window_extent().padded(6) for line in lines.values()]
        for name, line in lines.items():
            point = max(line.get_xdata()), _ap(name)
            taken.append(_write(axis, name, point, taken))
    figure.savefig(path)
    pyplot.close(figure)


def _ap(label: str) -> float:
    return CANDIDATES[label.removesuffix(", deployed")].ap


def _kind(label: str) -> str:
    if label not in CANDIDATES:
        return "deployed"
    return "as trained" if CANDIDATES[label].ours else "other networks"


def _write(
    axis: Axes, label: str, point: tuple[float, float], taken: list[Bbox]
) -> Bbox:
    """Write a label beside a point where none is yet; return where."""
    for place in _PLACES:
        side = "left" if place[0] > 0 else "right"
        text = axis.annotate(
            label, point, place, textcoords="offset points", fontsize=6, ha=side
        )
        box = text.get_window_extent()
        if not any(box.overlaps(other) for other in taken):
            break
        if place != _PLACES[-1]:
            text.remove()
    return box


def main() -> None:
    """Draw one image at 256x192, on all threads of the measurement."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("results", type=Path, help="JSON file of benchmarks.inference")
    parser.add_argument("picture", type=Path, help="image file to write")
    parser.add_argument("--runtimes", nargs="+", default=["onnxruntime", "openvino"])
    args = parser.parse_args()
    results = json.loads(args.results.read_text())
    threads = results["machine"]["threads"]
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in results["rows"]:
        if (row["threads"], row["streams"]) == (threads, 1) and row["batch"] == 1:
            found[row["runtime"]][row["network"]] = row["timing"]["median"]
    plot({runtime: found[runtime] for runtime in args.runtimes}, args.picture)


if __name__ == "__main__":
    main()
