"""Learning curves of a training run."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.figure import Figure


def read_scalars(work_dir: str | Path) -> list[dict]:
    """Read what the runs in a work directory logged, oldest run first.

    Args:
        work_dir: Folder given to ``mim train --work-dir``.

    Returns:
        One dict for each logged line of all runs, as MMEngine wrote it.

    Raises:
        FileNotFoundError: If no run in the folder has logged anything.
    """
    files = sorted(Path(work_dir).glob("*/vis_data/scalars.json"))
    lines = [line for file in files for line in file.read_text().splitlines()]
    if not lines:
        raise FileNotFoundError(
            f"no */vis_data/scalars.json with scalars in {work_dir}"
        )
    return [json.loads(line) for line in lines]


def plot_learning_curves(
    work_dir: str | Path, out: str | Path, scores: tuple[str, ...]
) -> None:
    """Draw the training loss and the validation scores of a run.

    Args:
        work_dir: Folder given to ``mim train --work-dir``.
        out: Image file to write.
        scores: Names of the validation scores, as 'coco/AP'; each one's maximum
            goes into the legend.

    Raises:
        FileNotFoundError: If no run in the folder has logged anything.
    """
    scalars = read_scalars(work_dir)
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    loss_axes, score_axes = figure.subplots(1, 2)
    losses = [line for line in scalars if "loss" in line]
    loss_axes.plot([x["step"] for x in losses], [x["loss"] for x in losses])
    loss_axes.set(xlabel="iteration", ylabel="training loss", yscale="log")
    for name in scores:
        # A test run logs its scores at step 0.
        points = [(x["step"], x[name]) for x in scalars if name in x and x["step"] > 0]
        if points:
            best = max(value for _, value in points)
            score_axes.plot(*zip(*points), marker="o", label=f"{name}, best {best:.3f}")
    score_axes.set(xlabel="epoch or iteration", ylabel="validation score")
    if score_axes.lines:
        score_axes.legend()
    for axes in (loss_axes, score_axes):
        axes.grid(alpha=0.3)
    figure.savefig(out, dpi=120)
