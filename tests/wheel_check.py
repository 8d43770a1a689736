"""Install the wheel as a user does, and train there: `make wheel-check`.

A fresh virtual environment gets the wheel with its extra `pose` by the one command of
docs/install.md; a compiler is out of reach. There MMPose is imported before this
package, and trains and tests a network on generated people, with nothing of the
checkout on the path. Needs the network, and 7 GB of disk.

`python -m tests.wheel_check --python PYTHON` takes another CPython than this one.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.running import ONE_PROCESS, ROOT, SHORT

CONFIG = "litehrnet_18_coco_256x192"
OPTIONS = ["train_cfg.max_epochs=1", *SHORT[1:]]
#: No package may be compiled.
NO_COMPILER = {"CC": "/bin/false", "CXX": "/bin/false", "PYTHONPATH": ""}


def run(*command: object, cwd: Path) -> str:
    """Run a command, print how long it took, and return what it printed.

    Raises:
        RuntimeError: If it fails.
    """
    words = [str(word) for word in command]
    start = time.monotonic()
    done = subprocess.run(
        words,
        cwd=cwd,
        env=os.environ | NO_COMPILER,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    line = " ".join(Path(w).name if w.startswith("/") else w for w in words)
    print(f"{time.monotonic() - start:5.0f} s  {line[:100]}", flush=True)
    if done.returncode:
        raise RuntimeError(done.stdout[-4000:])
    return done.stdout


def main() -> None:
    """Build, install, import, train and test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--python", default=sys.executable, help="CPython of the environment"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build = ("-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
        run(sys.executable, *build, "-w", folder, ROOT, cwd=folder)
        (wheel,) = folder.glob("*.whl")
        run(arguments.python, "-m", "venv", "new", cwd=folder)
        python = folder / "new/bin/python"
        constraints = ROOT / "requirements/constraints.txt"
        install = (python, "-m", "pip", "install", "-q", f"{wheel}[pose]")
        run(*install, "-c", constraints, cwd=folder)
        run(python, "-m", "pip", "check", cwd=folder)
        run(python, "-c", "import mmpose.models, mmdet.models", cwd=folder)
        where = "import mmlitehrnet; print(*mmlitehrnet.__path__)"
        package = Path(run(python, "-c", where, cwd=folder).split()[-1])
        assert package.is_relative_to(folder / "new"), package
        config = package / f".mim/configs/pose/{CONFIG}.py"
        people = ("coco", "data/coco", "--train", "4", "--val", "2")
        run(python, ROOT / "tools/make_sample_data.py", *people, cwd=folder)
        mim, weights = folder / "new/bin/mim", f"work_dirs/{CONFIG}/epoch_1.pth"
        log = run(mim, "train", "mmpose", config, "--cfg-options", *OPTIONS, cwd=folder)
        # The last step of the epoch, however many people were drawn.
        assert re.search(r"Epoch\(train\) \[1\]\[(\d+)/\1\]", log), log[-2000:]
        options = [option for option in ONE_PROCESS if option.startswith("test_")]
        log = run(
            mim, "test", "mmpose", config, "--checkpoint", weights, "--cfg-options",
            *options, cwd=folder,
        )  # fmt: skip
        assert "coco/AP:" in log, log[-2000:]
    print("The wheel installs and trains")


if __name__ == "__main__":
    main()
