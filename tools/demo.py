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
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import thread_settings

ROOT = Path(__file__).resolve().parents[1]


class Demo(NamedTuple):
    """What one demo consists of."""

    package: str  # as `mim` knows it
    config: str
    data: str  # where the config expects the data
    generate: str  # arguments of tools/make_sample_data.py but the folder
    score: str  # validation score that the best checkpoint is chosen by


DEMOS = {
    "pose": Demo(
        package="mmpose",
        config="configs/pose/demo/litehrnet_18_sample_128x96.py",
        data="data/sample_coco",
        generate="coco --train 900 --val 80",
        score="coco/AP",
    ),
    "seg": Demo(
        package="mmsegmentation",
        config="configs/seg/demo/litehrnet_18_sample_128x256.py",
        data="data/sample_cityscapes",
        generate="cityscapes --train 300 --val 48 --size 128 256",
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
    tool = str(ROOT / "tools/make_sample_data.py")
    run(sys.executable, tool, *demo.generate.split(), str(partial))
    partial.rename(data)


def train(demo: Demo, folder: Path, options: list[str]) -> Path:
    """Train and draw the curves; return the checkpoint of the best validation score."""
    config = ("--cfg-options", *options) if options else ()
    call = (demo.package, str(ROOT / demo.config), "--work-dir", str(folder))
    run("mim", "train", *call, *config)
    log = max(folder.glob("*/vis_data/scalars.json"))  # of the latest run
    curves = ("plot_curve", str(log), "--keys", "loss", demo.score)
    out = ("--out", str(folder / "curves.png"))
    run("mim", "run", "mmpretrain", "analyze_logs", *curves, *out)
    # Earlier runs may have left theirs.
    found = folder.glob(f"best_{demo.score.replace('/', '_')}_*.pth")
    return max(found, key=lambda path: path.stat().st_mtime)


def test(demo: Demo, folder: Path, checkpoint: Path) -> float:
    """Test a checkpoint and draw its predictions; return the score.

    Drawings of an earlier run are removed, other files in their folder are not.
    """
    drawn, record = folder.resolve() / "drawn", folder / "drawn.txt"
    if record.exists():
        for name in record.read_text(encoding="utf-8").splitlines():
            (drawn / name).unlink(missing_ok=True)
    others = set(drawn.rglob("*"))
    call = (demo.package, str(ROOT / demo.config), "--work-dir", str(folder))
    draw = ("--show-dir", str(drawn), "--cfg-options")
    every = "default_hooks.visualization.interval=1"
    try:
        run("mim", "test", *call, "--checkpoint", str(checkpoint), *draw, every)
    finally:
        new = {path for path in drawn.rglob("*") if path.is_file()} - others
        names = sorted(str(path.relative_to(drawn)) for path in new)
        record.write_text("\n".join(names), encoding="utf-8")
    results = max(folder.glob("*/*.json"))  # of the latest test
    return float(json.loads(results.read_text(encoding="utf-8"))[demo.score])


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
    demo = DEMOS[args.task]
    folder = args.work_dir or Path(f"work_dirs/demo_{args.task}")
    thread_settings.spare_busy_cores()
    try:
        generate(demo)
        score = test(demo, folder, train(demo, folder, args.cfg_options))
    except subprocess.CalledProcessError as error:
        print(
            f"demo: error: `{shlex.join(error.cmd)}` ended with status "
            f"{error.returncode}",
            file=sys.stderr,
        )
        return error.returncode
    print(f"Drew {folder / 'drawn'} and {folder / 'curves.png'}")
    print(f"{demo.score} {score:.4g} on held-out pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
