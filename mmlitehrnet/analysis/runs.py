"""What came out of training runs: one row of a table for each work directory."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from ..apis.model import load_config, network_from_config
from .complexity import count_parameters
from .learning_curves import LOGS, main_score, read_scalars, score_points


class Run(NamedTuple):
    """One work directory.

    Attributes:
        work_dir: The folder.
        config: Name of the config; where only the run's own copy is left, its path.
        parameters: Number of parameters of its model.
        trained: What was done of what was planned, as '40 / 210 epochs'.
        score: Name of the score, or ''.
        best: Its best value, if it was ever validated.
        at: Epoch or iteration of that value.
        checkpoint: The best checkpoint, else the last one, if there is any.
    """

    work_dir: Path
    config: str
    parameters: int
    trained: str
    score: str
    best: float | None
    at: int | None
    checkpoint: Path | None


def find_runs(folder: str | Path) -> list[Path]:
    """Find the work directories in a folder, itself included.

    Args:
        folder: Folder to look through, with its subfolders.

    Raises:
        FileNotFoundError: If there is none.
    """
    logs = Path(folder).glob("**/vis_data/scalars.json")
    found = sorted({log.parents[2] for log in logs})
    if not found:
        raise FileNotFoundError(f"no */vis_data/scalars.json in {folder} or below it")
    return found


def summarise(work_dir: Path) -> Run:
    """Read what a training run left in its work directory.

    Raises:
        FileNotFoundError: If there is no log.
        ValueError: If a line of it, or the config of the training, is wrong.
    """
    scalars = read_scalars(work_dir)
    names = sorted(work_dir.glob("*.py"), key=lambda path: path.stat().st_mtime)
    # The config in the folder itself may be of a later test; these are of trainings.
    configs = [log.with_name("config.py") for log in sorted(work_dir.glob(LOGS))]
    cfg = load_config(configs[-1])
    hook = cfg.get("default_hooks", {}).get("checkpoint", {})
    score = hook.get("save_best")
    score = score if isinstance(score, str) and score != "auto" else main_score(scalars)
    points = score_points(scalars, score) if score else []
    better = min if hook.get("rule") == "less" else max
    at, best = better(points, key=lambda point: point[1]) if points else (None, None)
    return Run(
        work_dir,
        names[-1].stem if names else str(configs[-1].relative_to(work_dir)),
        sum(count_parameters(network_from_config(cfg)).values()),
        _trained(cfg, scalars),
        score or "",
        best,
        at,
        _checkpoint(work_dir),
    )


def _trained(cfg: Config, scalars: list[dict]) -> str:
    by_epoch = "max_epochs" in cfg.train_cfg
    unit, key = ("epochs", "epoch") if by_epoch else ("iters", "step")
    done = max((x.get(key, 0) for x in scalars if "loss" in x), default=0)
    return f"{done} / {cfg.train_cfg[f'max_{unit}']} {unit}"


def _checkpoint(work_dir: Path) -> Path | None:
    best = sorted(work_dir.glob("best_*.pth"), key=lambda path: path.stat().st_mtime)
    if best:
        return best[-1]
    last = work_dir / "last_checkpoint"
    if not last.exists():
        return None
    path = work_dir / Path(last.read_text().strip()).name
    return path if path.exists() else None
