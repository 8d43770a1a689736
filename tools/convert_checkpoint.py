r"""Convert a checkpoint into a file of weights that the configs here load.

    python tools/convert_checkpoint.py theirs.pth ours.pth \
        --config configs/pose/litehrnet_18_coco_256x192.py

Known are MMPose 0.x (the authors' Lite-HRNet), the authors' Dite-HRNet,
HRNet-Semantic-Segmentation (Small-v1, Small-v2), PaddleDetection's Lite-HRNets and
PP-TinyPose and PaddleSeg's Lite-HRNet backbones (.pdparams), timm's hrnet_w18_small and
_v2 (.safetensors, .pth), Intel's Lite-HRNet backbones, and what MMPose 1.x,
MMSegmentation 1.x, MMDetection 3.x and MMPretrain 1.x save. What became of every name
is printed; the result must load strictly into the config's model. Without --config, all
of our configs are named that it fits.

    python tools/convert_checkpoint.py work_dirs/run/epoch_210.pth models/name --publish

writes models/name_YYYYMMDD-HASH.pth, for others.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from rich.progress import track
from torch import Tensor, nn

import mmlitehrnet  # noqa: F401  Registers the backbones.
from mmlitehrnet.apis.command_line import add_cfg_options
from mmlitehrnet.apis.model import load_config, network_from_config
from mmlitehrnet.checkpoints import (
    CheckpointError,
    Conversion,
    compare_weights,
    convert,
    explain,
    load_checkpoint,
    weights_of,
    write_weights,
)

#: Parts of a config's model that have no weights.
UNWEIGHTED = ("data_preprocessor", "train_cfg", "test_cfg", "decoder", "loss")

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="file to convert")
    parser.add_argument("out", type=Path, help="file to write; must not exist")
    parser.add_argument("--config", help="config whose model the weights are for")
    parser.add_argument(
        "--publish",
        action="store_true",
        help="add the date, the hash of the file and .pth to its name",
    )
    add_cfg_options(parser)
    args = parser.parse_args(arguments)
    if args.cfg_options and not args.config:
        parser.error("--cfg-options needs --config")
    return args


def fits(model: nn.Module, weights: Mapping[str, Tensor]) -> bool:
    """Whether weights load strictly; those of a backbone alone, all that it needs."""
    if any(
        name.startswith("backbone.")
        and not name.endswith("num_batches_tracked")
        and getattr(weights.get(name), "shape", None) != value.shape
        for name, value in model.state_dict().items()
    ):
        return False  # A short way to what mostly is the answer.
    if not all(name.startswith("backbone.") for name in weights):
        return compare_weights(model, weights).exact
    backbone = nn.ModuleDict(dict(backbone=model.get_submodule("backbone")))
    return compare_weights(backbone, weights).complete


def fitting_configs(weights: Mapping[str, Tensor], root: Path) -> list[Path]:
    """Find all configs whose models load weights strictly.

    Args:
        weights: Converted weights.
        root: Folder of configs. Ablations, which are networks of their own, are looked
            through only where no other config fits.
    """
    shapes = {name: value.to("meta") for name, value in weights.items()}
    paths = [
        path
        for path in sorted(root.rglob("*.py"))
        if not {"_base_", "demo"} & set(path.relative_to(root).parts)
    ]
    known: dict[str, bool] = {}  # Most networks are those of several configs.
    for ablations in (False, True):
        group = [path for path in paths if ("ablations" in path.parts) == ablations]
        found = []
        for path in track(group, description=f"Configs of {root.name}"):
            config = load_config(path)
            network = layers_of(config)
            if network not in known:
                with torch.device("meta"):  # Shapes only.
                    known[network] = fits(network_from_config(config), shapes)
            found += [path] * known[network]
        if found:
            return found
    return []


def layers_of(config: Config) -> str:
    """What a config says of its model's layers: the same for the same weights."""
    model = {k: v for k, v in config.model.items() if k not in UNWEIGHTED}
    for name, part in model.items():
        if isinstance(part, dict):
            model[name] = {k: v for k, v in part.items() if k not in UNWEIGHTED}
    return str(model)


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
        return "\n".join(describe(path, found) for path in fitting)
    config = load_config(args.config, args.cfg_options)
    model = network_from_config(config)
    if not fits(model, found.weights):
        mismatch = compare_weights(model, found.weights)
        raise CheckpointError(
            f"the weights do not fit the model of {args.config}: {explain(mismatch)}"
        )
    return describe(Path(args.config), found)


def describe(config: Path, found: Conversion) -> str:
    """Say that weights load into a config, and whether it is their publisher's."""
    name = config
    if config.is_relative_to(CONFIGS):
        name = config.relative_to(CONFIGS.parent)
    evaluation = found.layout.evaluation
    if not evaluation:
        return f"loads strictly into {name}"
    if re.search(evaluation, str(config)):
        return f"loads strictly into {name}, evaluated as its publisher's {name.stem}"
    return f"loads strictly into {name}, which evaluates otherwise than the publisher"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 where an argument is wrong."""
    args = parse_args(arguments)
    try:
        if args.out.exists() and not args.publish:  # Said before the work is done.
            raise FileExistsError(f"{args.out} exists and is never overwritten")
        checkpoint = load_checkpoint(args.checkpoint, raw=True)
        found = convert(weights_of(checkpoint, args.checkpoint))
        print(*found.report(), sep="\n")
        print(verify(found, args))
        path = write_weights(found.weights, args.out, checkpoint, args.publish)
    except (ValueError, OSError) as error:
        print(f"convert_checkpoint: error: {error}", file=sys.stderr)
        return 2
    sizes = [file.stat().st_size / 1e6 for file in (path, args.checkpoint)]
    print(f"Wrote {path}: {sizes[0]:.1f} MB ({args.checkpoint}: {sizes[1]:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
