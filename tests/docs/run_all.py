"""Run every command and every Python block of the documentation: `make docs-check`.

`python -m tests.docs.run_all docs/data.md` runs the commands of one page.

Commands run as they stand in a folder of their own with small generated data, in the
order of each page; training and testing are cut short by further options, and
checkpoints that a page takes for granted are those of untrained networks. What cannot
run here is listed below with the reason, and printed.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from glob import glob
from pathlib import Path

from tests.docs.checks import check, program, write_configs
from tests.docs.pages import Command, find_commands
from tests.docs.setting import make_inputs
from tests.generated_data import make_all
from tests.running import ONE_PROCESS, ROOT, run_python

# Pattern of a command -> why it is checked, but not run.
NOT_RUN = {
    r"mim .*--launcher (pytorch|slurm)": "needs several GPUs or a cluster",
    r"mim .*CityscapesMetric": "needs the cityscapesscripts package",
    r"(pip|mim|python -m pip) (install|download|wheel)": "needs the network",
    r"python tools/predict\.py photo\.jpg( --model \S+)?$": "needs the network",
    r"(mim|python) .*own_\w+\.py|python tools/predict\.py data/own": "run by "
    "tests/test_own_data.py",
    r"mim .*--amp": "needs a GPU",
    r"mim .*compile=": "compiles for many minutes",
    r"python .*rtmdet": "needs a detector's checkpoint",
    r"python .*\.param$": "needs ncnn: make ncnn-check exports to it",
    r"cp ": "tests/deploy/test_runner.py runs it",
    r"make ": "takes long, or is running already",
    r"python -m tests\.": "needs a browser",
    r"(cd|npm|onnxsim|onnx2tf|python -m http.server) ": "is not of this project",
    r"(pre-commit|git|export|\S*python -m pytest|torchrun) ": "is not of this project",
    r"python -m benchmarks\.": "takes many minutes, needs a quiet machine",
}
EPOCHS = ["train_cfg.max_epochs=1", "default_hooks.checkpoint.interval=1"]
# Start of a config's path -> options that make it short.
SHORT = {
    "configs/": [*ONE_PROCESS, "train_dataloader.batch_size=3"],
    "configs/pose": EPOCHS,
    "configs/det": [*EPOCHS, "model.test_cfg.score_thr=0"],
    "configs/cls": [*EPOCHS, "train_dataloader.dataset.pipeline.1.scale=64"],
    "configs/seg": ["train_cfg.max_iters=2", "train_cfg.val_interval=2"],
    "configs/seg/litehrnet": [
        "model.data_preprocessor.size=(64,128)",
        "train_dataloader.dataset.pipeline.2.scale=(136,72)",
        "train_dataloader.dataset.pipeline.3.crop_size=(64,128)",
        "test_dataloader.dataset.pipeline.1.scale=(136,72)",
        "val_dataloader.dataset.pipeline.1.scale=(136,72)",
    ],
}


def reason(command: Command) -> str | None:
    """Why a command is not run, or None."""
    found = (why for what, why in NOT_RUN.items() if re.match(what, command.line))
    return next(found, None)


def shortened(words: list[str]) -> list[str]:
    """The words of a command with what makes it short."""
    if words[:2] == ["mim", "run"]:
        # As a shell does it.
        return [name for word in words for name in sorted(glob(word)) or [word]]
    if words[0] == "mim":
        starts = [start for start in SHORT if words[3].startswith(start)]
        options = [option for start in starts for option in SHORT[start]]
        if words[1] == "test":
            options = [o for o in options if not o.startswith(("train_", "val_"))]
        if "--cfg-options" not in words:
            return [*words, "--cfg-options", *options]
        # The command's own options come last, and count.
        where = words.index("--cfg-options") + 1
        return [*words[:where], *options, *words[where:]]
    if words[1].endswith("make_sample_data.py"):
        # Beside the data that is there, which is small already.
        words = [*words[:3], f"generated/{words[3]}", *words[4:]]
        return [*words, "--train", "2", "--val", "1", "--overwrite"]
    return words


def run(command: Command) -> float:
    """Run a command in the current folder.

    Returns:
        The seconds that it took.

    Raises:
        AssertionError: If it fails.
    """
    configs = [word for word in command.words if word.startswith("configs/")]
    text = Path(configs[0]).read_text() if configs else ""
    make_inputs(f"{command.line} {text}", Path())
    start = time.monotonic()
    script, arguments = program(shortened(command.words))
    run_python(script, *arguments, cwd=Path())
    return time.monotonic() - start


def main(pages: list[str]) -> int:
    """Run everything, print what was run, what was not and why, and what failed."""
    tests = run_python("-m", "pytest", "-q", "-W", "ignore", "tests/docs", check=False)
    print(tests.stdout)
    if tests.returncode:
        return 1
    failed = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_configs(folder)
        (folder / "tools").symlink_to(ROOT / "tools")
        make_all(folder)
        os.chdir(folder)
        seen = set()
        for command in find_commands():
            if pages and command.place.split(":")[0] not in pages:
                continue
            why = reason(command)
            if why is None and command.line in seen:
                why = "the same as above"
            seen.add(command.line)
            if why is not None:
                print(f"not run  {command}  ({why})", flush=True)
                continue
            try:
                check(command, folder)
                print(f"{run(command):5.1f} s  {command}", flush=True)
            except AssertionError as error:
                failed.append(command)
                print(f"FAILED   {command}\n{error}", flush=True)
        os.chdir(ROOT)
    print(f"{len(failed)} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
