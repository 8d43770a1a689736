"""Follow docs/own_data.md with the wheel, from random weights: `make own-data-check`.

Its commands run on forty drawn pictures, with the configs and tools of an unpacked
wheel and nothing of the checkout; keypoints are trained to the end. Prints AP at each
evaluation and the time; fails below AP 0.9, or beyond six minutes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.docs.pages import find_commands
from tests.own_data import make_own_classes, make_own_data
from tests.running import ROOT

PIP = (sys.executable, "-m", "pip")
#: In the place of 1,000: keypoints show that it learns.
CLASSES = "train_cfg.max_iters=2"


def unpack_wheel(folder: Path) -> None:
    """Put the wheel into ``site``, and links to its configs and tools beside it."""
    build = ("wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT)
    subprocess.run((*PIP, *build), check=True)
    (wheel,) = folder.glob("*.whl")
    install = ("install", "-q", "--no-deps", "--no-index", "--target", folder / "site")
    subprocess.run((*PIP, *install, wheel), check=True)
    for name in ("configs", "tools"):
        (folder / name).symlink_to(folder / "site/mmlitehrnet/.mim" / name)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack_wheel(folder)
        make_own_data(folder / "data/own")
        make_own_classes(folder / "data/own_classes")
        settings = os.environ | dict(PYTHONPATH=str(folder / "site"))
        minutes = 0.0
        for command in find_commands():
            words = command.words
            trains = words[:2] == ["mim", "train"]
            downloads = trains and "load_from=None" not in words  # public weights
            if not command.place.startswith("docs/own_data.md") or downloads:
                continue
            of_classes = "configs/seg/own_classes.py" in words
            program = ("-m", "mim") if words[0] == "mim" else ()
            options = [CLASSES] if trains and of_classes else []
            start = time.monotonic()
            subprocess.run(
                (sys.executable, *program, *words[1:], *options),
                cwd=folder, env=settings, check=True,
            )  # fmt: skip
            taken = (time.monotonic() - start) / 60
            print(f"{taken:5.1f} minutes  {command}", flush=True)
            if options:
                saved = folder / "work_dirs/own_classes/iter_2.pth"
                shutil.copy(saved, saved.with_name("iter_1000.pth"))
            elif trains:
                minutes = taken
        (log,) = folder.glob("work_dirs/own_keypoints/*/vis_data/scalars.json")
        records = [json.loads(line) for line in log.read_text().splitlines()]
        curve = [(r["step"], r["coco/AP"], r["PCK"]) for r in records if "PCK" in r]
        print(f"{minutes:.1f} minutes; epoch, AP, PCK: {curve}")
        assert curve[-1][1] >= 0.9 and minutes <= 6


if __name__ == "__main__":
    main()
