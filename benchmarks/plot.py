"""Latency against accuracy, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.networks import CANDIDATES


def plot(latencies: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw the networks' latency against their published AP, side by side.

    Args:
        latencies: Runtime to label of a network to milliseconds.
        path: Image file to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    count = len(latencies)
    figure, axes = pyplot.subplots(1, count, figsize=(5.5 * count, 5), squeeze=False)
    for axis, (runtime, networks) in zip(axes[0], latencies.items()):
        for label, latency in networks.items():
            name = label.removesuffix(", deployed")
            deployed, ours = name != label, CANDIDATES[name].ours
            color = "tab:red" if deployed else "tab:orange" if ours else "tab:gray"
            point = latency, CANDIDATES[name].ap
            axis.scatter(*point, color=color)
            offset = (3, -8 if ours and not deployed else 3)
            axis.annotate(label, point, offset, textcoords="offset points", fontsize=6)
        axis.set(
            title=runtime, xlabel="median latency, ms", ylabel="COCO AP", xscale="log"
        )
        axis.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(ticker.ScalarFormatter())
        axis.xaxis.set_minor_formatter(ticker.NullFormatter())
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
