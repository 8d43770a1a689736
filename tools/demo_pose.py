"""Trains Lite-HRNet-18 on generated people, tests it, and draws what it sees.

Example::

    python tools/demo_pose.py --work-dir work_dirs/demo_pose

Everything is done by ``mim train mmpose`` and ``mim test mmpose``; a GPU is used if
there is one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from mmlitehrnet.analysis.learning_curves import plot_learning_curves
from mmlitehrnet.analysis.people_grid import draw_people_grid

CONFIG = "configs/pose/demo/litehrnet_18_sample_128x96.py"
DATA = Path("data/sample_coco")
NUM_TRAIN, NUM_VAL = 700, 80


def run(*command: str) -> None:
    """Print a command and run it."""
    print("+", *command, flush=True)
    subprocess.run(command, check=True)


def best_checkpoint(work_dir: Path) -> Path:
    """The checkpoint of the best validation AP, the latest if there are several."""
    found = work_dir.glob("best_coco_AP_epoch_*.pth")
    return max(found, key=lambda path: path.stat().st_mtime)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/demo_pose"))
    parser.add_argument(
        "--cfg-options", nargs="*", default=[], help="passed to `mim train`"
    )
    args = parser.parse_args()
    if not DATA.exists():
        run(
            sys.executable, "tools/make_sample_data.py", "coco", str(DATA),
            "--train", str(NUM_TRAIN), "--val", str(NUM_VAL),
        )  # fmt: skip
    work_dir = str(args.work_dir)
    options = ["--cfg-options", *args.cfg_options] if args.cfg_options else []
    run("mim", "train", "mmpose", CONFIG, "--work-dir", work_dir, *options)
    checkpoint = str(best_checkpoint(args.work_dir))
    run(
        "mim",
        "test",
        "mmpose",
        CONFIG,
        "--checkpoint",
        checkpoint,
        "--work-dir",
        work_dir,
    )
    plot_learning_curves(work_dir, args.work_dir / "curves.png", ("coco/AP",))
    draw_people_grid(CONFIG, checkpoint, args.work_dir / "people.png")
    print(f"Wrote {args.work_dir / 'people.png'} and {args.work_dir / 'curves.png'}")


if __name__ == "__main__":
    main()
