"""Learning curves of training runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

#: Where MMEngine logs, in a work directory.
LOGS = "*/vis_data/scalars.json"
#: Scores that stand for a run, where it has several.
MAIN_SCORES = ("coco/AP", "PCK", "mIoU")
#: What MMEngine logs beside scores.
NO_SCORES = {"data_time", "time", "step", "epoch", "iter", "memory", "lr"}


def read_scalars(work_dir: str | Path) -> list[dict]:
    """Read what the runs in a work directory logged.

    What a later run did again (after resuming from an earlier checkpoint, or from the
    start) takes the place of what it was before. Scores of test runs are left out.

    Args:
        work_dir: Folder given to ``mim train --work-dir``.

    Returns:
        One dict for each logged line, as MMEngine wrote it: training lines with a
        'loss', validation lines with scores, each in the order of their 'step'
        (iterations there, epochs or iterations here).

    Raises:
        FileNotFoundError: If no run in the folder has logged anything.
        ValueError: If a line is no JSON, as in a log that was cut off inside, or has no
            'step'.
    """
    kept: dict[bool, list[dict]] = {True: [], False: []}
    for file in sorted(Path(work_dir).glob(LOGS)):
        lines = _read_lines(file)
        for training, earlier in kept.items():
            found = [x for x in lines if ("loss" in x) is training and x["step"] > 0]
            if found:
                first = found[0]["step"]
                kept[training] = [x for x in earlier if x["step"] < first] + found
    if not any(kept.values()):
        raise FileNotFoundError(f"no {LOGS} with scalars in {work_dir}")
    return kept[True] + kept[False]


def _read_lines(file: Path) -> list[dict]:
    texts = file.read_text().splitlines()
    lines = []
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
        except json.JSONDecodeError as error:
            if number == len(texts):  # A run that was killed while it wrote.
                break
            raise ValueError(f"{file}, line {number}: {error}") from error
        if not isinstance(line, dict) or "step" not in line:
            raise ValueError(f"{file}, line {number}: it has no 'step'")
        lines.append(line)
    return lines


def score_names(scalars: list[dict]) -> list[str]:
    """Names of the validation scores in what :func:`read_scalars` gives."""
    lines = [line for line in scalars if "loss" not in line]
    names = dict.fromkeys(name for line in lines for name in line)
    return [name for name in names if name not in NO_SCORES]


def main_score(scalars: list[dict]) -> str | None:
    """The score that stands for a run: one of :data:`MAIN_SCORES`, else the first."""
    names = score_names(scalars)
    return next((name for name in MAIN_SCORES if name in names), (names or [None])[0])


def score_points(scalars: list[dict], name: str) -> list[tuple[int, float]]:
    """Steps and values of a validation score."""
    return [(x["step"], x[name]) for x in scalars if name in x and "loss" not in x]


def plot_learning_curves(
    work_dirs: str | Path | Sequence[str | Path],
    out: str | Path,
    scores: Sequence[str] = (),
) -> None:
    """Draw the training loss and the validation scores of one or more runs.

    Args:
        work_dirs: Folders given to ``mim train --work-dir``; each is one colour.
        out: Image file to write.
        scores: Names of the validation scores, as 'coco/AP'; the main one if none is
            given. The maximum of each goes into the legend.

    Raises:
        FileNotFoundError: If no run in a folder has logged anything.
        ValueError: If no run has one of the scores.
    """
    if isinstance(work_dirs, str | Path):
        work_dirs = [work_dirs]
    runs = {str(path): read_scalars(path) for path in work_dirs}
    scores = tuple(scores) or tuple(
        dict.fromkeys(filter(None, map(main_score, runs.values())))
    )
    known = {name: None for lines in runs.values() for name in score_names(lines)}
    for name in scores:
        if name not in known:
            raise ValueError(f"no run has the score {name!r}, but {list(known)}")
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    loss_axes, score_axes = figure.subplots(1, 2)
    for number, (run, scalars) in enumerate(runs.items()):
        color = f"C{number}"
        label = f"{Path(run).name}: " if len(runs) > 1 else ""
        losses = [(x["step"], x["loss"]) for x in scalars if "loss" in x]
        if losses:
            loss_axes.plot(*zip(*losses), color=color)
        for name, style in zip(scores, ("-", "--", ":", "-.") * len(scores)):
            points = score_points(scalars, name)
            if points:
                best = max(value for _, value in points)
                score_axes.plot(
                    *zip(*points),
                    color=color,
                    linestyle=style,
                    marker="o",
                    markersize=3,
                    label=f"{label}{name}, best {best:.3f}",
                )
    loss_axes.set(xlabel="iteration", ylabel="training loss", yscale="log")
    score_axes.set(xlabel="epoch or iteration", ylabel="validation score")
    if score_axes.lines:
        score_axes.legend(fontsize=8)
    for axes in (loss_axes, score_axes):
        axes.grid(alpha=0.3)
    figure.savefig(out, dpi=120)
