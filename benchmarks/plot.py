"""Latency against accuracy, as a picture.

``python -m benchmarks.plot RESULTS.json PICTURE.png`` draws what
``benchmarks.inference`` measured.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.networks import TASKS, Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

#: Runtime -> label of a network -> milliseconds and published score.
Points = dict[str, dict[str, tuple[float, float]]]
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


def points(rows: Iterable[Mapping[str, Any]], threads: int, task: Task) -> Points:
    """Select what is drawn: one image of the size that the score was measured on.

    Args:
        rows: Rows of the JSON of ``benchmarks.inference``.
        threads: Threads of the measurement.
        task: What the networks are for.
    """
    found: Points = defaultdict(dict)
    for row in rows:
        label = row["network"]
        network = task.candidates[label.removesuffix(", deployed")]
        setting = row["size"], row["batch"], row["threads"], row["streams"]
        drawn = "x".join(map(str, network.tested)), 1, threads, 1
        if setting == drawn and network.score is not None:
            found[row["runtime"]][label] = row["timing"]["median"], network.score
    return found


def plot(runtimes: Points, path: Path, task: Task) -> None:
    """Draw the networks' latency against their published score, two runtimes a row.

    Args:
        runtimes: What to draw.
        path: Image file to write.
        task: What the networks are for.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    columns = min(len(runtimes), 2)
    rows = -(-len(runtimes) // 2)
    size = 5.5 * columns, 5 * rows
    figure, axes = pyplot.subplots(rows, columns, figsize=size, dpi=130, squeeze=False)
    for axis in axes.flat[len(runtimes) :]:
        axis.set_visible(False)
    for axis, (runtime, networks) in zip(axes.flat, runtimes.items()):
        axis.set(
            title=TITLES.get(runtime, runtime),
            xlabel="median latency, ms",
            ylabel=task.metric,
            xscale="log",
        )
        for kind, color in COLORS.items():
            places = [networks[n] for n in networks if _kind(n, task) == kind]
            axis.scatter(*zip(*places) if places else ([], []), color=color, label=kind)
        axis.legend(loc="lower right", fontsize=7)
        axis.margins(x=0.2, y=0.1)
        axis.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(ticker.ScalarFormatter())
        axis.xaxis.set_minor_formatter(ticker.NullFormatter())
        axis.grid(alpha=0.3)
    figure.tight_layout()
    for axis, networks in zip(axes.flat, runtimes.values()):
        # A deployed network is named beside what it is trained as.
        lines = {}
        for name in filter(task.candidates.get, networks):
            both = networks[name], networks.get(f"{name}, deployed", networks[name])
            (lines[name],) = axis.plot(*zip(*both), "tab:orange", lw=0.5)
        figure.canvas.draw()  # Settles where everything is.
        taken = [line.get_window_extent().padded(6) for line in lines.values()]
        for name, line in lines.items():
            point = max(line.get_xdata()), networks[name][1]
            taken.append(_write(axis, name, point, taken))
    figure.savefig(path)
    pyplot.close(figure)


def _kind(label: str, task: Task) -> str:
    if label not in task.candidates:
        return "deployed"
    return "as trained" if task.candidates[label].ours else "other networks"


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
    """Draw the latency of one image, on all threads of the measurement."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("results", type=Path, help="JSON file of benchmarks.inference")
    parser.add_argument("picture", type=Path, help="image file to write")
    parser.add_argument("--runtimes", nargs="+", default=["onnxruntime", "openvino"])
    args = parser.parse_args()
    results = json.loads(args.results.read_text())
    task = TASKS[results["machine"].get("task", "pose")]
    found = points(results["rows"], results["machine"]["threads"], task)
    plot({name: found[name] for name in args.runtimes}, args.picture, task)


if __name__ == "__main__":
    main()
