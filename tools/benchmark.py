"""Measure latency side by side: these networks and what people use today.

    python tools/benchmark.py --out work_dirs/benchmark

Every runtime measures all networks interleaved in one process. Written are a table,
``benchmark.json`` and ``benchmark.png``, latency against the published AP.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine import Config
from mmengine.utils import get_installed_path
from torch import nn

import mmlitehrnet  # noqa: F401  Registers the backbones.
from mmlitehrnet.analysis.complexity import multiply_accumulates
from mmlitehrnet.analysis.latency import (
    RUNTIMES,
    TensorMode,
    Timing,
    interleave,
    machine,
    peak_gflops,
    threads,
)
from mmlitehrnet.analysis.networks import network_from_config
from mmlitehrnet.deploy import deploy_model

BASELINE = "Lite-HRNet-18 (MMPose)"
SIZES = {"256x192": (256, 192), "384x288": (384, 288)}


class Candidate(NamedTuple):
    """A network to measure.

    Attributes:
        config: Config of its pose estimator; under ``mmpose::``, one that MMPose
            installs.
        ap: Published AP on COCO val2017 at 256x192, flip test: of the papers for
            ours, of MMPose's model zoo for its own.
        ours: Whether it is one of this package's, which can be deployed.
        mmpose_backbone: Whether MMPose's backbone is put in the place of ours.
    """

    config: str
    ap: float
    ours: bool = False
    mmpose_backbone: bool = False


_ZOO = (
    "mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_{}_8xb64-210e_coco-256x192.py"
)
_RTM = "mmpose::body_2d_keypoint/rtmpose/coco/rtmpose-{}_8xb256-420e_coco-256x192.py"
_OURS = "configs/pose/{}_coco_256x192.py"

#: Name -> network.
CANDIDATES: dict[str, Candidate] = {
    BASELINE: Candidate(_ZOO.format("litehrnet-18"), 64.2, mmpose_backbone=True),
    "Lite-HRNet-30 (MMPose)": Candidate(
        _ZOO.format("litehrnet-30"), 67.6, mmpose_backbone=True
    ),
    "HRNet-W32": Candidate(_ZOO.format("hrnet-w32"), 74.6),
    "MobileNetV2": Candidate(_ZOO.format("mobilenetv2"), 64.8),
    "ShuffleNetV2": Candidate(_ZOO.format("shufflenetv2"), 60.2),
    "ResNet-50": Candidate(_ZOO.format("res50"), 71.8),
    "RTMPose-t": Candidate(_RTM.format("t"), 68.2),
    "RTMPose-s": Candidate(_RTM.format("s"), 71.6),
    "Small HRNet-W16": Candidate(_OURS.format("small_hrnet_w16"), 55.2, ours=True),
    "Naive Lite-HRNet-18": Candidate(
        _OURS.format("naive_litehrnet_18"), 62.5, ours=True
    ),
    "Lite-HRNet-18": Candidate(_OURS.format("litehrnet_18"), 64.8, ours=True),
    "Lite-HRNet-30": Candidate(_OURS.format("litehrnet_30"), 67.2, ours=True),
    "Dite-HRNet-18": Candidate(_OURS.format("ditehrnet_18"), 65.9, ours=True),
    "Dite-HRNet-30": Candidate(_OURS.format("ditehrnet_30"), 68.3, ours=True),
}


def build(candidate: Candidate) -> nn.Module:
    """Build a pose estimator, with PyTorch's default weights."""
    path = Path(candidate.config)
    package, _, name = candidate.config.partition("::")
    if name:
        path = Path(get_installed_path(package)) / ".mim" / "configs" / name
    elif not path.exists():
        path = Path(__file__).parents[1] / path
    config = Config.fromfile(str(path))
    config.model.backbone.init_cfg = None
    kwargs = dict(config.model.backbone)
    model = network_from_config(config)
    if candidate.mmpose_backbone:
        from mmpose.models.backbones.litehrnet import LiteHRNet

        kwargs = {k: v for k, v in kwargs.items() if k not in ("type", "init_cfg")}
        model.backbone = LiteHRNet(**kwargs)
    model.eval()
    return model


def forms(name: str, target: str) -> dict[str, nn.Module]:
    """The forms of a network in which a runtime is given it."""
    candidate = CANDIDATES[name]
    model = build(candidate)
    if not candidate.ours:
        return {name: model}
    return {name: model, f"{name}, deployed": deploy_model(model, target)}


class Row(NamedTuple):
    """One result."""

    runtime: str
    network: str
    size: str
    batch: int
    timing: Timing
    ratio: float
    limit: float

    def as_dict(self) -> dict:
        """For JSON."""
        return {**self._asdict(), "timing": self.timing._asdict()}


def measure(
    runtime: str,
    names: list[str],
    size: str,
    batch: int,
    args: argparse.Namespace,
    peak: float,
) -> list[Row]:
    """Measure all networks on one runtime, interleaved."""
    images = torch.randn(batch, 3, *SIZES[size])
    calls: dict[str, Callable] = {}
    limits: dict[str, float] = {}
    for name in names:
        plain = None
        for label, model in forms(name, RUNTIMES[runtime].target).items():
            if plain is None:
                network = TensorMode(model)
                with torch.no_grad():
                    macs = multiply_accumulates(
                        network, lambda network=network: network(images[:1])
                    )
                plain = 2 * sum(macs.values()) * batch / peak / 1e6
            limits[label] = plain
            try:
                calls[label] = RUNTIMES[runtime].prepare(model, images, args.threads)
            except Exception as error:  # A runtime that cannot run it is a result.
                print(f"{runtime}: {label}: {error}", file=sys.stderr)
    timings = interleave(calls, args.repetitions, args.warmup)
    base = timings.get(BASELINE)
    return [
        Row(
            runtime, label, size, batch, timing,
            base.median / timing.median if base else float("nan"), limits[label],
        )
        for label, timing in timings.items()
    ]  # fmt: skip


HEADER = (
    "| runtime | size | batch | network | median ms | quartiles | best | "
    f"{BASELINE} / this | of the machine's peak |\n"
    "| --- | --- | ---: | --- | ---: | --- | ---: | ---: | ---: |"
)


def line(row: Row) -> str:
    """A line of the table."""
    t = row.timing
    return (
        f"| {row.runtime} | {row.size} | {row.batch} | {row.network} | "
        f"{t.median:.2f} | {t.low:.2f}-{t.high:.2f} | {t.best:.2f} | {row.ratio:.2f} | "
        f"{row.limit / t.median:.0%} |"
    )


def plot(rows: list[Row], path: Path) -> None:
    """Draw latency at batch 1, 256x192, against the published AP."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [row for row in rows if row.batch == 1 and row.size == "256x192"]
    runtimes = list(dict.fromkeys(row.runtime for row in rows))
    if not runtimes:
        return
    figure, axes = pyplot.subplots(
        1, len(runtimes), figsize=(5.5 * len(runtimes), 5), squeeze=False
    )
    for axis, runtime in zip(axes[0], runtimes):
        for row in rows:
            if row.runtime != runtime:
                continue
            name = row.network.removesuffix(", deployed")
            deployed = name != row.network
            ap = CANDIDATES[name].ap
            ours = CANDIDATES[name].ours
            color = "tab:red" if deployed else "tab:orange" if ours else "tab:gray"
            axis.scatter(row.timing.median, ap, color=color)
            axis.annotate(row.network, (row.timing.median, ap), fontsize=6)
        axis.set(
            title=runtime, xlabel="median latency, ms", ylabel="COCO AP", xscale="log"
        )
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument(
        "--runtimes",
        nargs="+",
        choices=list(RUNTIMES),
        default=["pytorch", "onnxruntime", "openvino"]
        + ["cuda", "cuda-graph"] * torch.cuda.is_available(),
    )
    parser.add_argument(
        "--networks", nargs="+", choices=list(CANDIDATES), default=list(CANDIDATES)
    )
    parser.add_argument(
        "--sizes", nargs="+", choices=list(SIZES), default=["256x192", "384x288"]
    )
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--warmup", type=int, default=5)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table and write the files."""
    args = parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    description = {
        **machine(),
        "threads": args.threads,
        "repetitions": args.repetitions,
        "peak GFLOP/s": round(peak_gflops(args.threads), 1),
    }
    rows: list[Row] = []
    table = [*(f"{key}: {value}  " for key, value in description.items()), "", HEADER]
    print("\n".join(table))
    for runtime in args.runtimes:
        for size in args.sizes:
            for batch in args.batches:
                with threads(args.threads):
                    found = measure(
                        runtime, args.networks, size, batch, args,
                        description["peak GFLOP/s"],
                    )  # fmt: skip
                print("\n".join(map(line, found)), flush=True)
                rows += found
    (args.out / "benchmark.md").write_text("\n".join([*table, *map(line, rows)]) + "\n")
    result = {"machine": description, "rows": [row.as_dict() for row in rows]}
    (args.out / "benchmark.json").write_text(json.dumps(result, indent=1) + "\n")
    plot(rows, args.out / "benchmark.png")


if __name__ == "__main__":
    main()
