"""Show where the time of inference and training goes, and how much memory it takes.

    python -m benchmarks.profile_network --batch 64 --out work_dirs/profile

Written are a table of operators for each network, and ``profile.json``.
"""

from __future__ import annotations

import argparse
import json

import torch
from torch import nn

from benchmarks.candidates import BASELINE, CANDIDATES, build
from benchmarks.latency import (
    Call,
    TensorMode,
    interleave,
    machine,
    peak_memory,
    threads,
)
from benchmarks.profiling import Profile, profile_call
from benchmarks.training import MODES, training_step
from mmlitehrnet.apis.command_line import at_least, device, folder, side
from mmlitehrnet.deploy import deploy_model


def inference(model: nn.Module, images: torch.Tensor) -> Call:
    """Prepare a call of a network that waits for the device."""
    network = TensorMode(model.eval())

    def call() -> None:
        with torch.inference_mode():
            network(images)
        if images.is_cuda:
            torch.cuda.synchronize(images.device)

    return call


def calls(name: str, images: torch.Tensor) -> dict[str, Call]:
    """What is profiled of a network."""
    size = tuple(images.shape[2:])
    model = build(CANDIDATES[name], size).to(images.device)
    found = {"inference": inference(model, images)}
    if CANDIDATES[name].ours:
        found["inference, deployed"] = inference(deploy_model(model), images)
    trained = build(CANDIDATES[name], size).to(images.device)
    return {**found, "training step": training_step(trained, images, MODES["eager"])}


def report(
    title: str, result: Profile, wall: float, memory: int | None, rows: int
) -> str:
    """A section of the page."""
    facts = [
        f"{wall:.2f} ms a call without the profiler",
        f"{result.time:.2f} ms of operators on the device",
    ]
    if memory is not None:
        facts += [
            f"{result.launches:.0f} kernels",
            f"peak memory {memory / 2**20:.1f} MiB beyond what was held before",
        ]
    lines = [f"### {title}", "", f"{', '.join(facts)}.", ""]
    lines += ["| operator | calls | ms | share |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {s.operator} | {s.calls:.0f} | {s.time:.3f} | {s.share:.1%} |"
        for s in result.shares[:rows]
    ]
    return "\n".join([*lines, ""])


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=folder, required=True, help="folder to write to")
    parser.add_argument(
        "--device",
        type=device,
        default=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
    )
    parser.add_argument(
        "--networks",
        nargs="+",
        choices=list(CANDIDATES),
        default=[BASELINE, "Lite-HRNet-18", "Dite-HRNet-18"],
    )
    parser.add_argument("--batch", type=at_least(1), default=64)
    parser.add_argument(
        "--size", nargs=2, type=side, default=(256, 192), metavar=("H", "W")
    )
    parser.add_argument("--threads", type=at_least(1), default=torch.get_num_threads())
    parser.add_argument(
        "--rows", type=at_least(1), default=15, help="operators to list"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Profile, print and write."""
    args = parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    facts = {
        **machine(),
        "device": str(args.device),
        "threads": args.threads,
        "batch": args.batch,
        "size": "x".join(map(str, args.size)),
    }
    page = ["\n".join(f"{key}: {value}  " for key, value in facts.items()) + "\n"]
    print(page[0])
    results = []
    images = torch.randn(args.batch, 3, *args.size, device=args.device)
    for name in args.networks:
        for what, call in calls(name, images).items():
            with threads(args.threads):
                wall = interleave({what: call}, repetitions=3, warmup=2)[what].median
                memory = peak_memory(call, args.device)
                result = profile_call(call, args.device)
            page.append(report(f"{name}, {what}", result, wall, memory, args.rows))
            print(page[-1], flush=True)
            results.append(
                {
                    "network": name,
                    "what": what,
                    "wall": wall,
                    "memory": memory,
                    **result._asdict(),
                    "shares": [share._asdict() for share in result.shares],
                }
            )
            (args.out / "profile.md").write_text("\n".join(page))
            (args.out / "profile.json").write_text(
                json.dumps({"machine": facts, "results": results}, indent=1) + "\n"
            )


if __name__ == "__main__":
    main()
