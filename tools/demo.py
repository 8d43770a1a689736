"""Trains Lite-HRNet-18 on generated data, tests it, and draws what it sees.

Example::

    python tools/demo.py pose
    python tools/demo.py seg --work-dir work_dirs/demo_seg

Everything is done by ``mim train``, ``mim test`` and ``mim run``, whose logs show the
time that is left; a GPU is used if there is one. The data goes to ``data/`` below the
current folder.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Demo(NamedTuple):
    """What one demo consists of."""

    package: str  # as `mim` knows it
    config: str
    data: str  # where the config expects the data
    generate: tuple[str, ...]  # arguments of tools/make_sample_data.py after the folder
    data_format: str
    score: str  # validation score that the best checkpoint is chosen by


DEMOS = {
    "pose": Demo(
        package="mmpose",
        config="configs/pose/demo/litehrnet_18_sample_128x96.py",
        data="data/sample_coco",
        generate=("--train", "900", "--val", "80"),
        data_format="coco",
        score="coco/AP",
    ),
    "seg": Demo(
        package="mmsegmentation",
        config="configs/seg/demo/litehrnet_18_sample_128x256.py",
        data="data/sample_cityscapes",
        generate=("--train", "300", "--val", "48", "--size", "128", "256"),
        data_format="cityscapes",
        score="mIoU",
    ),
}


def run(*command: str) -> None:
    """Print a command and run it."""
    print("+", *command, flush=True)
    subprocess.run(command, check=True)


def generate(demo: Demo) -> None:
    """Generate the data if it is missing; what was interrupted is done again."""
    data = Path(demo.data)
    if data.exists():
        return
    partial = data.with_name(f"{data.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    make = (sys.executable, str(ROOT / "tools/make_sample_data.py"), demo.data_format)
    run(*make, str(partial), *demo.generate)
    partial.rename(data)


def best_checkpoint(work_dir: Path, score: str) -> Path:
    """The checkpoint of the best validation score, the latest if there are several."""
    found = work_dir.glob(f"best_{score.replace('/', '_')}_*.pth")
    return max(found, key=lambda path: path.stat().st_mtime)


def train_and_draw(
    demo: Demo, folder: Path, train_options: list[str]
) -> tuple[Path, Path]:
    """Run a demo; return the folder of the drawings and the learning curves."""
    generate(demo)
    config, work_dir = str(ROOT / demo.config), ("--work-dir", str(folder))
    options = ["--cfg-options", *train_options] if train_options else []
    run("mim", "train", demo.package, config, *work_dir, *options)
    log = max(folder.glob("*/vis_data/scalars.json"))  # of the latest run
    curves = folder / "curves.png"
    keys = ("--keys", "loss", demo.score)
    plot = ("analyze_logs", "plot_curve", str(log), *keys, "--out", str(curves))
    run("mim", "run", "mmpretrain", *plot)
    checkpoint = str(best_checkpoint(folder, demo.score))
    drawings = folder.resolve() / "drawn"
    test = ("--checkpoint", checkpoint, *work_dir, "--show-dir", str(drawings))
    every = ("--cfg-options", "default_hooks.visualization.interval=1")
    run("mim", "test", demo.package, config, *test, *every)
    return drawings, curves


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or the status of a command that failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=DEMOS)
    parser.add_argument("--work-dir", type=Path, help="default: work_dirs/demo_TASK")
    parser.add_argument(
        "--cfg-options", nargs="*", default=[], help="passed to `mim train`"
    )
    args = parser.parse_args(arguments)
    folder = args.work_dir or Path(f"work_dirs/demo_{args.task}")
    try:
        drawings, curves = train_and_draw(DEMOS[args.task], folder, args.cfg_options)
    except subprocess.CalledProcessError as error:
        print(
            f"demo: error: `{shlex.join(error.cmd)}` ended with status "
            f"{error.returncode}",
            file=sys.stderr,
        )
        return error.returncode
    print(f"Drew {drawings} and {curves}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
