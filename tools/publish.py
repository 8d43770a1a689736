"""Write a checkpoint for others: weights only, date and hash in its name.

    python tools/publish.py work_dirs/run/epoch_210.pth models/litehrnet_18_coco_256x192

writes models/litehrnet_18_coco_256x192_YYYYMMDD-HASH.pth without optimizer, log and
config. Loading it needs no trust: it holds tensors and plain data.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmlitehrnet.checkpoints.publishing import publish


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 where an argument is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint of a training run")
    parser.add_argument(
        "out", type=Path, help="file to write, without date, hash and suffix"
    )
    args = parser.parse_args(arguments)
    try:
        path = publish(args.checkpoint, args.out)
    except (ValueError, OSError) as error:
        print(f"publish: error: {error}", file=sys.stderr)
        return 2
    sizes = [file.stat().st_size / 1e6 for file in (args.checkpoint, path)]
    print(f"Wrote {path}: {sizes[1]:.1f} MB (the checkpoint: {sizes[0]:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
