"""Show on a GPU machine that everything works there, and how fast it is.

    python -m benchmarks.gpu_report --out work_dirs/gpu_report

Runs the tests of the CUDA part, training and testing by ``mim`` in float32, mixed
precision and channels-last, and measures training, inference, memory and where the
time goes. Each step has a time limit and its own file; ``summary-PARTS.md`` tells what
there is, for the parts that were run. ``--parts`` and ``--limit`` divide the work where
a command may not take long; ``--device cpu --quick`` tries the whole on a machine
without a GPU.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.candidates import BASELINE
from benchmarks.latency import machine

ROOT = Path(__file__).resolve().parents[1]


class Scale(NamedTuple):
    """How much is done.

    Attributes:
        images: Images of the generated data set, for training and for validation.
        epochs: Epochs of training by ``mim``.
        loader: Images in a step of that training.
        training: Images in a step of the measured training.
        inference: Images in a call of the measured inference.
        profile: Images in a call that is profiled.
        size: Height and width for measured training and profile.
        repetitions: Measurements of each.
        trained: Networks whose training is measured.
        compiled: Those of them whose compiled training is measured.
        peers: Networks whose inference is measured.
    """

    images: tuple[int, int]
    epochs: int
    loader: int
    training: tuple[int, ...]
    inference: tuple[int, ...]
    profile: tuple[int, ...]
    size: tuple[int, int]
    repetitions: int
    trained: tuple[str, ...]
    compiled: tuple[str, ...]
    peers: tuple[str, ...]


FULL = Scale(
    images=(512, 64),
    epochs=2,
    loader=64,
    training=(64, 256),
    inference=(1, 8, 64),
    profile=(1, 64),
    size=(256, 192),
    repetitions=20,
    trained=(BASELINE, "Lite-HRNet-18", "Dite-HRNet-18"),
    compiled=(BASELINE, "Lite-HRNet-18"),
    peers=(BASELINE, "Lite-HRNet-18", "HRNet-W32", "RTMPose-t"),
)
QUICK = Scale(
    images=(4, 2),
    epochs=1,
    loader=2,
    training=(2,),
    inference=(1,),
    profile=(2,),
    size=(64, 64),
    repetitions=2,
    trained=("Naive Lite-HRNet-18",),
    compiled=("Naive Lite-HRNet-18",),
    peers=("Naive Lite-HRNet-18",),
)


class Job(NamedTuple):
    """What the parts are told.

    Attributes:
        scale: How much to do.
        device: Where: ``'cuda'`` or ``'cpu'``.
        out: Folder of the results.
    """

    scale: Scale
    device: str
    out: Path


class Step(NamedTuple):
    """Something to run.

    Attributes:
        name: Name of its files.
        limit: Seconds after which it is ended.
        command: What follows ``python`` on the command line.
        cuda_only: Whether it cannot be tried without a CUDA device.
    """

    name: str
    limit: int
    command: list[str]
    cuda_only: bool = False


def tool(name: str, **options: object) -> list[str]:
    """Command line of one of the tools."""
    folder = "tools" if (ROOT / "tools" / name).is_file() else "benchmarks"
    words = [str(ROOT / folder / name)]
    for option, value in options.items():
        values = value if isinstance(value, (tuple, list)) else (value,)
        words += [f"--{option}", *map(str, values)]
    return words


def tests(job: Job) -> Iterator[Step]:
    """The tests of the CUDA part."""
    options = ["-q", "-rs", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]
    yield Step("tests", 200, ["-m", "pytest", *options, str(ROOT / "tests/cuda")])


#: How ``mim`` is run: options of ``mim train``, changes of the config.
MIM_MODES: dict[str, tuple[list[str], list[str]]] = {
    "float32": ([], []),
    "amp": (["--amp"], []),
    "channels-last": ([], ["default_hooks.channels_last.type=ChannelsLastHook"]),
}


def mim(job: Job) -> Iterator[Step]:
    """Training and testing by ``mim``, on generated data."""
    scale = job.scale
    data = ["coco", "data/coco", "--train", scale.images[0], "--val", scale.images[1]]
    make = [*tool("make_sample_data.py"), *map(str, data), "--quiet"]
    yield Step("mim-data", 60, make)
    short = [
        f"train_dataloader.batch_size={scale.loader}",
        "default_hooks.logger.interval=1",
        f"train_cfg.max_epochs={scale.epochs}",
        f"train_cfg.val_interval={scale.epochs}",
    ]
    for network in ("litehrnet_18", "ditehrnet_18"):
        config = str(ROOT / f"configs/pose/{network}_coco_256x192.py")
        for mode, (flags, changes) in MIM_MODES.items():
            cuda_only = "--amp" in flags  # MMPose asserts a GPU.
            folder = f"work_dirs/{network}-{mode}"
            train = ["train", "mmpose", config, "--work-dir", folder, *flags]
            train += ["--cfg-options", *short, *changes]
            checkpoint = f"{folder}/epoch_{scale.epochs}.pth"
            test = ["test", "mmpose", config, "--checkpoint", checkpoint]
            test += ["--cfg-options", *changes] if changes else []
            for verb, words in (("train", train), ("test", test)):
                name = f"mim-{verb}-{network}-{mode}"
                yield Step(name, 90, ["-m", "mim", *words], cuda_only)


def training(job: Job) -> Iterator[Step]:
    """Training throughput, eager and compiled."""
    halves = ("bf16", "fp16") if job.device == "cuda" else ("bf16",)
    modes = ("eager", "channels-last", *halves, f"{halves[-1]}-channels-last")
    common = dict(
        device=job.device, size=job.scale.size, repetitions=job.scale.repetitions
    )
    yield Step(
        "training",
        180,
        tool(
            "benchmark_training.py",
            **common,
            batch=job.scale.training,
            networks=job.scale.trained,
            modes=modes,
            out=job.out / "training",
        ),
    )
    for batch in job.scale.training:
        name = f"training-compiled-{batch}"
        yield Step(
            name,
            240,
            tool(
                "benchmark_training.py",
                **common,
                batch=batch,
                networks=job.scale.compiled,
                modes=("eager", "compile"),
                out=job.out / name,
            ),
        )


def _benchmark(job: Job, name: str, limit: int, **options: object) -> Step:
    """Measure inference."""
    common = dict(
        sizes="256x192", repetitions=job.scale.repetitions, networks=job.scale.peers
    )
    command = tool("benchmark.py", **common, **options, out=job.out / name)
    return Step(name, limit, command)


def latency(job: Job) -> Iterator[Step]:
    """Latency of inference, eager and as CUDA graph, in all precisions."""
    runtimes = ("cuda", "cuda-graph") if job.device == "cuda" else ("pytorch",)
    precisions = ("", "-fp16", "-bf16") if job.device == "cuda" else ("", "-bf16")
    runtimes = [name + precision for name in runtimes for precision in precisions]
    batches = job.scale.inference
    yield _benchmark(job, "latency", 300, runtimes=runtimes, batches=batches)


def latency_compiled(job: Job) -> Iterator[Step]:
    """Latency of compiled inference."""
    runtime = "cuda-compile" if job.device == "cuda" else "compile"
    for batch in job.scale.inference:
        name = f"latency-compiled-{batch}"
        yield _benchmark(job, name, 190, runtimes=runtime, batches=batch)


def profile(job: Job) -> Iterator[Step]:
    """Where the time goes, and peak memory."""
    for batch in job.scale.profile:
        name = f"profile-{batch}"
        yield Step(
            name,
            60,
            tool(
                "profile_network.py",
                device=job.device,
                size=job.scale.size,
                batch=max(batch, 2),
                networks=job.scale.trained,
                out=job.out / name,
            ),
        )


PARTS = {
    "tests": tests,
    "mim": mim,
    "training": training,
    "latency": latency,
    "latency-compiled": latency_compiled,
    "profile": profile,
}


def run(step: Step, job: Job, folder: Path, seconds: float) -> str:
    """Run a step and say what came of it."""
    if step.cuda_only and job.device != "cuda":
        return "not run: needs a CUDA device"
    if seconds < 10:
        return "not run: no time left"
    seconds = min(step.limit, seconds)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "MMLITEHRNET_TEST_DEVICE": job.device,
    }
    with (job.out / f"{step.name}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *step.command],
            cwd=folder,
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            end(process)
    if status is None:
        return f"ended after {seconds:.0f} s"
    return "done" if status == 0 else f"failed with status {status}"


def end(process: subprocess.Popen) -> None:
    """End a process and those that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument(
        "--limit",
        type=float,
        default=1500.0,
        help="seconds for all steps together; what is left then is not run",
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, to try the steps"
    )
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch finds no CUDA device")
    return args


def main(arguments: list[str] | None = None) -> int:
    """Run the steps, and return 1 if one failed or was ended."""
    args = parse_args(arguments)
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    job = Job(QUICK if args.quick else FULL, args.device, out)
    lines = [*(f"{key}: {value}  " for key, value in machine().items())]
    lines += ["", "| step | seconds | result |", "| --- | ---: | --- |"]
    print("\n".join(lines), flush=True)
    start = time.monotonic()
    results = []
    with tempfile.TemporaryDirectory(prefix="gpu_report") as folder:
        for part in args.parts:
            for step in PARTS[part](job):
                before = time.monotonic()
                result = run(step, job, Path(folder), start + args.limit - before)
                seconds = time.monotonic() - before
                results.append(result)
                lines.append(f"| {step.name} | {seconds:.0f} | {result} |")
                print(lines[-1], flush=True)
                name = f"summary-{'-'.join(args.parts)}.md"
                (out / name).write_text("\n".join(lines) + "\n")
    return int(any(result.startswith(("failed", "ended")) for result in results))


if __name__ == "__main__":
    sys.exit(main())
