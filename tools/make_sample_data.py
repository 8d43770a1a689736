"""Writes a small generated data set in the format of a public one.

Example::

    python tools/make_sample_data.py coco data/coco --train 400 --val 60
    python tools/make_sample_data.py mpii data/mpii --train 400 --val 60
    python tools/make_sample_data.py aic data/aic
    python tools/make_sample_data.py cityscapes data/cityscapes --size 256 512
    python tools/make_sample_data.py imagenet data/imagenet
"""

from __future__ import annotations

import argparse
import sys

import sample_data

# Format: (writer, what it shows, training images, validation images).
FORMATS = {
    "coco": (sample_data.make_coco, "people with 17 keypoints", 400, 60),
    "mpii": (sample_data.make_mpii, "people with 16 keypoints", 400, 60),
    "aic": (sample_data.make_aic, "people with 14 keypoints", 400, 60),
    "cityscapes": (sample_data.make_cityscapes, "streets, 19 classes", 120, 24),
    "imagenet": (sample_data.make_imagenet, "shapes, 6 classes", 600, 120),
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    formats = parser.add_subparsers(dest="format", required=True, metavar="FORMAT")
    for name, (_, shows, train, val) in FORMATS.items():
        command = formats.add_parser(
            name, help=shows, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        command.add_argument("out", help="folder to write to, new or empty")
        command.add_argument("--train", type=int, default=train, help="images")
        command.add_argument("--val", type=int, default=val, help="images")
        command.add_argument("--seed", type=int, default=0, help="0 or larger")
        command.add_argument(
            "--size",
            type=int,
            nargs=2,
            metavar=("H", "W"),
            default=argparse.SUPPRESS,
            help="image height and width in pixels (default: the format's own)",
        )
        command.add_argument(
            "--overwrite",
            action="store_true",
            help="replace what this tool wrote to the folder before; refused where "
            "other files are among it",
        )
        command.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0, or 2 where an argument is wrong.
    """
    args = vars(parse_args(argv))
    make = FORMATS[args.pop("format")][0]
    counts = {"num_train": args.pop("train"), "num_val": args.pop("val")}
    try:
        folder = make(args.pop("out"), **counts, **args)
    except (ValueError, OSError) as error:
        print(f"make_sample_data: error: {error}", file=sys.stderr)
        return 2
    print(f"Wrote {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
