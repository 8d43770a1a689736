"""From an image and boxes to keypoints, as users run the networks, for many persons."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.command_line import Page, table_line
from benchmarks.networks import CANDIDATES, TensorMode, build
from benchmarks.timing import Call, interleave, machine

SIZE = (256, 192)
#: ``estimate(image, boxes)`` gives keypoints.
Estimate = Callable[[np.ndarray, np.ndarray], Any]


def picture(persons: int) -> tuple[np.ndarray, np.ndarray]:
    """An image of 640x480 pixels, and boxes of sizes as in photographs."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (480, 640, 3), np.uint8)
    sizes = rng.uniform((40, 100), (160, 320), (persons, 2))
    starts = rng.uniform(0, (480, 160), (persons, 2))
    return image, np.concatenate((starts, starts + sizes), axis=1).astype(np.float32)


def _mmpose(name: str, model: nn.Module, folder: Path, threads: int) -> Estimate:
    from mmpose.apis import inference_topdown

    return partial(inference_topdown, model)


def _runner(
    runtime: str,
    precision: str,
    name: str,
    model: nn.Module,
    folder: Path,
    threads: int,
) -> Estimate:
    from mmlitehrnet.deploy.export import export_onnx
    from mmlitehrnet.deploy.runner import PoseRunner

    path = folder / f"{name}_{runtime}.onnx"
    export_onnx(model, path, SIZE, target=runtime)
    return PoseRunner(path, runtime, threads, precision)


def _rtmlib(
    backend: str, name: str, model: nn.Module, folder: Path, threads: int
) -> Estimate:
    from rtmlib import RTMPose

    from mmlitehrnet.deploy.tracing import trace_to_onnx

    path = folder / f"{name}.onnx"
    trace_to_onnx(TensorMode(model), torch.randn(1, 3, *SIZE), path)
    return RTMPose(str(path), SIZE[::-1], backend=backend)


#: What runs our networks -> runtime and precision.
RUNNERS = {
    "ONNX Runtime": ("onnxruntime", "float32"),
    "OpenVINO": ("openvino", "float32"),
    "OpenVINO, bfloat16": ("openvino", "bfloat16"),
}


def ways(name: str) -> dict[str, Callable[..., Estimate]]:
    """What runs a network from an image to keypoints, and how it is prepared."""
    runtimes = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
    if CANDIDATES[name].ours:
        return {f"`PoseRunner`, {t}": partial(_runner, *k) for t, k in RUNNERS.items()}
    if name.startswith("RTMPose"):
        return {f"rtmlib, {t}": partial(_rtmlib, k) for k, t in runtimes.items()}
    return {"`inference_topdown`, PyTorch": _mmpose}


def prepare(
    names: list[str], folder: Path, threads: int, page: Page
) -> Iterator[tuple[tuple[str, str], Estimate]]:
    """Prepare networks, without flip test; what cannot be run is told on the page."""
    for name in names:
        model = build(name, SIZE)
        model.test_cfg["flip_test"] = False
        model.dataset_meta = model.metainfo or {}
        for way, start in ways(name).items():
            try:
                yield (name, way), start(name, model, folder, threads)
            except Exception as error:
                page.fail(f"{name}, {way}", error)


def measure_persons(args: argparse.Namespace) -> Page:
    """Write a table of milliseconds a person, medians and best, all interleaved.

    Args:
        args: The command line; ``persons`` are the numbers of boxes in an image.
    """
    facts = {
        **machine(),
        "threads": args.threads,
        "turns of each": args.repetitions,
        "calls in a turn": args.burst,
    }
    page = Page(args.out, "persons", facts)
    with TemporaryDirectory() as folder:
        found = dict(prepare(args.networks, Path(folder), args.threads, page))
        calls: dict[tuple[str, str, int], Call] = {
            (*key, persons): partial(estimate, *picture(persons))
            for persons in args.persons
            for key, estimate in found.items()
        }
        timings = interleave(calls, args.repetitions, args.warmup, args.burst)
    titles = ["network", "run by", *map(str, args.persons)]
    page.add_titles(titles, texts=2)
    for key in found:
        each = {n: timings[*key, n] for n in args.persons}
        for persons, timing in each.items():
            page.record(timing, network=key[0], way=key[1], persons=persons)
        cells = (f"{t.median / n:.1f} ({t.best / n:.1f})" for n, t in each.items())
        page.add(table_line([*key, *cells]))
    return page
