"""Show on a GPU machine that everything works there, and how fast it is.

    python -m benchmarks.gpu_report --out work_dirs/gpu_report

Runs the tests of the CUDA part, training and testing by ``mim``, and the benchmarks.
Each step has a time limit and a log; ``summary-PART.md`` tells what came of a part's
steps, and no part takes longer than ``--limit``. ``--device cpu --quick`` tries all of
it in tiny sizes on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.command_line import at_least, folder
from benchmarks.networks import BASELINE
from benchmarks.timing import machine

ROOT = Path(__file__).resolve().parents[1]

_LITE = (BASELINE, "Lite-HRNet-18")

#: What stands in the commands for the sizes of the work.
FULL = dict(
    data="--train 512 --val 64",
    epochs=2,
    loader=64,  # images in a step of training by mim
    size="256x192",
    training="64 256",  # images in a measured step
    inference="1 8 64",  # images in a measured call
    repetitions=20,
    lite=shlex.join(_LITE),
    trained=shlex.join((*_LITE, "Dite-HRNet-18")),
    peers=shlex.join((*_LITE, "Small HRNet-W16", "RTMPose-t")),
)
_TINY = dict.fromkeys(("lite", "trained", "peers"), "'Naive Lite-HRNet-18'")
_FEW = dict(epochs=1, loader=2, training=2, inference=1, repetitions=2)
QUICK = dict(data="--train 4 --val 2", size="64x64", **_FEW, **_TINY)

#: What stands in the commands for the device.
DEVICES = {
    "cuda": dict(
        device="cuda",
        eager="cuda",
        compiled="cuda-compile",
        runtimes="cuda cuda-fp16 cuda-bf16 cuda-graph cuda-graph-fp16 cuda-graph-bf16",
        halves="bf16 fp16 fp16-channels-last",
    ),
    "cpu": dict(
        device="cpu",
        eager="pytorch",
        compiled="compile",
        runtimes="pytorch pytorch-bf16",
        halves="bf16 bf16-channels-last",
    ),
}


class Step(NamedTuple):
    """Something to run.

    Attributes:
        limit: Seconds after which it is ended.
        command: What follows ``python`` on the command line, to be formatted.
        cuda_only: Whether it cannot be tried without a CUDA device.
    """

    limit: int
    command: str
    cuda_only: bool = False


def _mim_steps() -> dict[str, Step]:
    """Training and testing by ``mim``, on generated data."""
    make = "{root}/tools/make_sample_data.py coco data/coco {data} --quiet"
    steps = {"mim-data": Step(60, make)}
    short = (
        "default_hooks.logger.interval=1 train_dataloader.batch_size={loader} "
        "train_cfg.max_epochs={epochs} train_cfg.val_interval={epochs}"
    )
    hook = "default_hooks.channels_last.type=ChannelsLastHook"
    modes = {"float32": ("", ""), "amp": ("--amp", ""), "channels-last": ("", hook)}
    for network in ("litehrnet_18", "ditehrnet_18"):
        config = f"mmpose {{root}}/configs/pose/{network}_coco_256x192.py"
        for mode, (flag, changes) in modes.items():
            name, made = f"{network}-{mode}", f"work_dirs/{network}-{mode}"
            train = f"--work-dir {made} {flag} --cfg-options {short} {changes}"
            test = f"--checkpoint {made}/epoch_{{epochs}}.pth"
            test += f" --cfg-options {changes}" if changes else ""
            amp = flag == "--amp"  # MMPose asserts a GPU.
            steps |= {
                f"mim-train-{name}": Step(90, f"-m mim train {config} {train}", amp),
                f"mim-test-{name}": Step(90, f"-m mim test {config} {test}", amp),
            }
    return steps


_TRAINING = (
    "-m benchmarks.training --device {device} --size {size} --out {out} "
    "--repetitions {repetitions} --batches {training} --networks "
)
_INFERENCE = (
    "-m benchmarks.inference --sizes {size} --out {out} --repetitions {repetitions} "
    "--batches {inference} --networks "
)

#: Part -> name -> step. What a benchmark has measured is written when it is ended.
PARTS: dict[str, dict[str, Step]] = {
    "tests": {
        "tests": Step(
            540,
            "-m pytest -q -rs -p no:cacheprovider --rootdir {root} {root}/tests/cuda",
        )
    },
    "mim": _mim_steps(),
    "training": {
        "training": Step(
            540, _TRAINING + "{trained} --modes eager channels-last {halves}"
        ),
    },
    "training-compiled": {
        "training-compiled": Step(540, _TRAINING + "{lite} --modes eager compile"),
    },
    "latency": {"latency": Step(540, _INFERENCE + "{peers} --runtimes {runtimes}")},
    "latency-compiled": {
        "latency-compiled": Step(540, _INFERENCE + "{peers} --runtimes {compiled}"),
    },
    "profile": {
        "profile-inference": Step(
            240, _INFERENCE + "{trained} --runtimes {eager} --profile"
        ),
        "profile-training": Step(240, _TRAINING + "{trained} --modes eager --profile"),
    },
}


def words(name: str, step: Step, args: argparse.Namespace) -> list[str]:
    """The words of a step's command."""
    scale = QUICK if args.quick else FULL
    paths = dict(root=shlex.quote(str(ROOT)), out=shlex.quote(str(args.out / name)))
    values = {**scale, **DEVICES[args.device], **paths}
    return shlex.split(step.command.format(**values))


def run(
    name: str, step: Step, args: argparse.Namespace, where: str, seconds: float
) -> str:
    """Run a step and say what came of it.

    Args:
        name: Its name.
        step: The step.
        args: The command line.
        where: Folder to run it in.
        seconds: What is left of its part's time.
    """
    if step.cuda_only and args.device != "cuda":
        return "not run: needs a CUDA device"
    if seconds < 10:
        return "not run: no time left"
    seconds = min(step.limit, seconds)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {
        "PYTHONPATH": os.pathsep.join(paths),
        "MMLITEHRNET_TEST_DEVICE": args.device,
    }
    with (args.out / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *words(name, step, args)],
            cwd=where,
            env=os.environ | variables,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"ended after {seconds:.0f} s"
        finally:
            with suppress(ProcessLookupError):  # With those that it started.
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return "done" if status == 0 else f"failed with status {status}"


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", type=folder, required=True, help="folder to write to")
    add("--device", choices=list(DEVICES), default="cuda")
    add("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    left = "seconds for each part; what is left then is not run"
    add("--limit", type=at_least(1), default=570, help=left)
    add("--quick", action="store_true", help="tiny sizes, to try the steps")
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch finds no CUDA device")
    args.out = args.out.resolve()
    return args


def main(arguments: list[str] | None = None) -> int:
    """Run the steps, and return 1 if one failed or was ended."""
    args = parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    head = [*(f"{key}: {value}  " for key, value in machine().items())]
    head += ["", "| step | seconds | result |", "| --- | ---: | --- |"]
    print("\n".join(head), flush=True)
    results = []
    for part in args.parts:
        end = time.monotonic() + args.limit
        lines = list(head)
        with tempfile.TemporaryDirectory(prefix="gpu_report") as where:
            for name, step in PARTS[part].items():
                start = time.monotonic()
                results.append(run(name, step, args, where, end - start))
                seconds = time.monotonic() - start
                lines.append(f"| {name} | {seconds:.0f} | {results[-1]} |")
                print(lines[-1], flush=True)
                summary = args.out / f"summary-{part}.md"
                summary.write_text("\n".join(lines) + "\n")
    return int(any(result.startswith(("failed", "ended")) for result in results))


if __name__ == "__main__":
    sys.exit(main())
