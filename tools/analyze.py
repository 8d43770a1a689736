"""Read the results of training and testing.

    python tools/analyze.py runs work_dirs
    python tools/analyze.py curves work_dirs/litehrnet_18 work_dirs/ditehrnet_18
    python tools/analyze.py worst CONFIG PREDICTIONS

`runs` prints a table of the training runs below a folder, `curves` draws learning
curves side by side, `worst` draws the images on which a model does worst, with what it
should have seen.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import mmlitehrnet  # noqa: F401  Registers the backbones.
from mmlitehrnet.apis.command_line import add_cfg_options, picture


def show_runs(args: argparse.Namespace) -> int:
    """Print a row for each training run; return 1 if one cannot be read, 2 if none."""
    from mmlitehrnet.analysis.runs import find_runs, summarise
    from mmlitehrnet.analysis.tables import print_table

    folders = find_runs(args.folder)
    runs = []
    for folder in folders:
        try:
            runs.append(summarise(folder))
        except Exception as error:  # Whatever is wrong with it, others are shown.
            print(f"analyze: {folder} is left out: {error}", file=sys.stderr)
    rows = [
        [
            str(run.work_dir),
            run.config,
            f"{run.parameters:,}",
            run.trained,
            run.score,
            "" if run.best is None else f"{run.best:.4g}",
            "" if run.at is None else str(run.at),
            run.checkpoint.name if run.checkpoint else "",
        ]
        for run in runs
    ]
    header = ["run", "config", "parameters", "trained", "score", "best", "at"]
    if rows:
        print_table([*header, "checkpoint"], rows)
    return 0 if len(runs) == len(folders) else 1 if runs else 2


def show_curves(args: argparse.Namespace) -> None:
    """Draw learning curves."""
    from mmlitehrnet.analysis.learning_curves import plot_learning_curves

    args.out.parent.mkdir(parents=True, exist_ok=True)
    plot_learning_curves(args.work_dirs, args.out, args.scores)
    print(f"Wrote {args.out}")


def show_worst(args: argparse.Namespace) -> None:
    """Draw the worst images of an evaluation."""
    from mmlitehrnet.analysis.worst_cases import draw_worst_cases
    from mmlitehrnet.apis.model import load_config

    config = load_config(args.config, args.cfg_options)
    found = draw_worst_cases(config, args.predictions, args.out, args.number)
    print(
        f"{found.num_images} images, {found.score} {found.mean:.3f} on average; worst:"
    )
    for case in found.cases:
        print(f"  {case.score:.3f}  {case.name}")
    print(f"Wrote {args.out} and {args.out.with_suffix('.json')}")


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    runs = commands.add_parser("runs", help="table of training runs")
    runs.set_defaults(show=show_runs)
    runs.add_argument("folder", help="a work directory, or a folder of them")

    curves = commands.add_parser("curves", help="learning curves")
    curves.set_defaults(show=show_curves)
    curves.add_argument("work_dirs", nargs="+", help="work directories to compare")
    curves.add_argument(
        "--out",
        type=picture,
        default=Path("work_dirs/curves.png"),
        help="file to write",
    )
    curves.add_argument(
        "--scores", nargs="+", default=(), help="as coco/AP; default: the main one"
    )

    worst = commands.add_parser("worst", help="the worst images of an evaluation")
    worst.set_defaults(show=show_worst)
    worst.add_argument("config", help="config that was tested")
    worst.add_argument(
        "predictions",
        help="pose: PREFIX.keypoints.json, from `mim test ... --cfg-options "
        "test_evaluator.outfile_prefix=PREFIX`; segmentation: the folder given to "
        "`mim test --out`",
    )
    worst.add_argument(
        "--out", type=picture, default=Path("work_dirs/worst.png"), help="file to write"
    )
    worst.add_argument("--number", type=int, default=8, help="images to draw")
    add_cfg_options(worst)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0, 1 where a run cannot be read but others can, 2 where an argument is wrong.
    """
    args = parse_args(arguments)
    # What OpenMMLab's packages say about their own code is not for who reads results.
    warnings.filterwarnings("ignore", category=UserWarning, module="mm(pose|seg|det|e)")
    try:
        return args.show(args) or 0
    except (ValueError, OSError) as error:
        print(f"analyze: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
