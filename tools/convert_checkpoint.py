r"""Convert the checkpoint of another code base into one that the configs here load.

    python tools/convert_checkpoint.py theirs.pth ours.pth \
        --config configs/pose/litehrnet_18_coco_256x192.py

Known are MMPose 0.x (the authors' Lite-HRNet), MMPose 1.x (OpenMMLab's), the authors'
Dite-HRNet, HRNet-Semantic-Segmentation (Small-v1, Small-v2) and MMSegmentation 1.x.
What became of every name is printed; the result must load strictly into the config's
model. Without --config, those of our configs are named that it fits.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import mmlitehrnet  # noqa: F401  Registers the backbones.
from mmlitehrnet.apis.command_line import add_cfg_options
from mmlitehrnet.apis.model import load_config, network_from_config
from mmlitehrnet.checkpoints import (
    CheckpointError,
    compare_weights,
    explain,
    load_checkpoint,
    weights_of,
)
from mmlitehrnet.checkpoints.conversion import (
    Conversion,
    convert,
    fitting_configs,
)
from mmlitehrnet.checkpoints.publishing import to_bytes, weights_only, write_new

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", help="file to convert")
    parser.add_argument("out", type=Path, help="file to write; must not exist")
    parser.add_argument("--config", help="config whose model the weights are for")
    add_cfg_options(parser)
    args = parser.parse_args(arguments)
    if args.cfg_options and not args.config:
        parser.error("--cfg-options needs --config")
    return args


def verify(found: Conversion, args: argparse.Namespace) -> str:
    """Load the weights strictly; say what they fit.

    Raises:
        ValueError: If they fit no model.
    """
    if args.config is None:
        folder = CONFIGS / found.layout.folder
        fitting = fitting_configs(found.weights, folder)
        if not fitting:
            raise ValueError(
                f"the weights fit no config in {folder}: give their own by --config"
            )
        names = ", ".join(str(p.relative_to(CONFIGS.parent)) for p in fitting)
        return f"loads strictly into {names}"
    config = load_config(args.config, args.cfg_options)
    mismatch = compare_weights(network_from_config(config), found.weights)
    if not mismatch.exact:
        raise CheckpointError(
            f"the weights do not fit the model of {args.config}: {explain(mismatch)}"
        )
    return f"loads strictly into {args.config}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 where an argument is wrong."""
    args = parse_args(arguments)
    try:
        if args.out.exists():
            raise FileExistsError(f"{args.out} exists and is never overwritten")
        checkpoint = load_checkpoint(args.checkpoint)
        weights_of(checkpoint, args.checkpoint)  # That there are any.
        found = convert(checkpoint.get("state_dict", checkpoint))
        print(*found.report(), sep="\n")
        print(verify(found, args))
        write_new(to_bytes(weights_only(checkpoint, found.weights)), args.out)
    except (ValueError, OSError) as error:
        print(f"convert_checkpoint: error: {error}", file=sys.stderr)
        return 2
    print(f"Wrote {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
