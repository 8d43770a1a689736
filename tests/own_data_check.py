"""Train on forty drawn pictures from random weights: `make own-data-check`.

The commands are those of docs/own_data.md, at full length. Prints AP at each evaluation
and the time; fails below AP 0.9, or beyond six minutes.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.own_data import make_own_data
from tests.running import ROOT

CONFIG = "configs/pose/own_keypoints.py"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_own_data(folder / "data/own")
        (folder / "configs").symlink_to(ROOT / "configs")
        environment = os.environ | dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="2")
        train = (sys.executable, "-m", "mim", "train", "mmpose", CONFIG)
        options = ("--cfg-options", "load_from=None", *sys.argv[1:])
        start = time.monotonic()
        subprocess.run((*train, *options), cwd=folder, env=environment, check=True)
        minutes = (time.monotonic() - start) / 60
        (log,) = folder.glob("work_dirs/own_keypoints/*/vis_data/scalars.json")
        records = [json.loads(line) for line in log.read_text().splitlines()]
        curve = [(r["step"], r["coco/AP"], r["PCK"]) for r in records if "PCK" in r]
        print(f"{minutes:.1f} minutes; epoch, AP, PCK: {curve}")
        assert curve[-1][1] >= 0.9 and minutes <= 6


if __name__ == "__main__":
    main()
