"""Show where ONNX Runtime's and OpenVINO's time goes, operator by operator.

    python -m benchmarks.profile_runtimes --networks Lite-HRNet-18 Dite-HRNet-18

Networks of this package are profiled in their inference form, all others as they are.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from benchmarks.candidates import BASELINE, CANDIDATES, build
from benchmarks.latency import TensorMode
from benchmarks.runtime_profile import PROFILERS, profile_operators
from mmlitehrnet.apis.command_line import at_least, side
from mmlitehrnet.deploy import deploy_model
from mmlitehrnet.deploy.export import trace_to_onnx


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--networks",
        nargs="+",
        choices=list(CANDIDATES),
        default=[BASELINE, "Lite-HRNet-18"],
    )
    parser.add_argument(
        "--runtimes", nargs="+", choices=list(PROFILERS), default=list(PROFILERS)
    )
    parser.add_argument("--size", nargs=2, type=side, default=[256, 192])
    parser.add_argument("--threads", type=at_least(1), default=2)
    parser.add_argument("--runs", type=at_least(1), default=50)
    parser.add_argument(
        "--rows", type=at_least(1), default=10, help="lines of each table"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Profile and print the tables."""
    args = parse_args(arguments)
    images = torch.randn(1, 3, *args.size)
    for runtime in args.runtimes:
        for name in args.networks:
            model = build(CANDIDATES[name], args.size)
            if CANDIDATES[name].ours:
                model = deploy_model(model, runtime)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "network.onnx"
                trace_to_onnx(TensorMode(model), images, path)
                shares = profile_operators(
                    runtime, path, images, args.threads, args.runs
                )
            total = sum(share.time for share in shares)
            nodes = sum(share.nodes for share in shares)
            print(f"\n{name}, {runtime}: {total:.2f} ms in {nodes} nodes\n")
            print("| operator | nodes | ms | share |\n| --- | ---: | ---: | ---: |")
            for share in shares[: args.rows]:
                part = share.time / total
                print(
                    f"| {share.kind} | {share.nodes} | {share.time:.2f} | {part:.0%} |"
                )


if __name__ == "__main__":
    main()
