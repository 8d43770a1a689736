"""Says what is wrong with the data of a config, before anything is trained.

Example::

    python tools/check_data.py configs/pose/own_keypoints.py
    python tools/check_data.py my_config.py --draw pictures

All annotation files are read, all images are loaded and go through the pipeline, and
the evaluation is tried. `mim train` stops at the same faults; here they are all listed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import cv2
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, VISUALIZERS, init_default_scope
from mmengine.runner import Runner
from rich.progress import track

import mmlitehrnet  # noqa: F401  Registers the datasets and networks.
from mmlitehrnet.apis import load_config
from mmlitehrnet.apis.command_line import add_cfg_options
from mmlitehrnet.datasets.faults import DataError
from mmlitehrnet.engine.hooks import RehearsalHook

SHOWN = 20


def print_faults(error: DataError) -> None:
    """Print what an error says, a line for each fault."""
    for line in str(error).splitlines():
        print(f"fault: {line}")


def check_split(split: str, config: dict, pictures: Path | None, draw: dict) -> int:
    """Build a data set, load all of it and draw its first samples.

    Args:
        split: Name to print.
        config: Config of the data set.
        pictures: Folder to draw to, if any.
        draw: 'visualizer', its config, and 'number', of the samples to draw.

    Returns:
        The number of faults that were printed.
    """
    try:
        dataset = DATASETS.build(config)
    except DataError as error:
        print_faults(error)
        return 1
    print(f"{split}: {len(dataset)} samples")
    for reason, number in getattr(dataset, "left_out", {}).items():
        print(f"    left out, as {reason}: {number}")
    visualizer = VISUALIZERS.build(dict(draw["visualizer"], name=split))
    visualizer.dataset_meta = dataset.metainfo
    faults = 0
    packer = dataset.pipeline.transforms[-1] if hasattr(dataset, "pipeline") else None
    if hasattr(packer, "pack_transformed"):
        packer.pack_transformed = True  # the keypoints where the network sees them
    for index in track(range(len(dataset)), f"Loading {split}"):
        try:
            sample = dataset[index]
        except DataError as error:
            faults += 1
            if faults <= SHOWN:
                print_faults(error)
            continue
        if pictures and index < draw["number"]:
            path = pictures / f"{split}_{index:03d}.png"
            image = sample["inputs"].numpy()[::-1].transpose(1, 2, 0).copy()
            shown = sample["data_samples"]
            if "gt_sem_seg" in shown:  # In validation, labels keep their size.
                image = cv2.resize(image, shown.gt_sem_seg.shape[::-1])
            visualizer.add_datasample(
                path.stem, image, shown, draw_pred=False, out_file=str(path)
            )
    if faults > SHOWN:
        print(f"fault: and {faults - SHOWN} more samples of {split}")
    return faults


class Stop(Hook):
    """Ends a run before its first step."""

    def before_train(self, runner: Runner) -> None:
        """Stop."""
        raise KeyboardInterrupt


def rehearse(config: Config) -> int:
    """Do what `mim train` does before its first step; return the number of faults."""
    config.update(load_from=None, resume=False, log_level="ERROR")
    with tempfile.TemporaryDirectory() as config.work_dir:
        try:
            runner = Runner.from_cfg(config)
            runner.register_hook(RehearsalHook())
            runner.register_hook(Stop(), "LOWEST")
            runner.train()
        except KeyboardInterrupt:
            return 0
        except DataError as error:
            print_faults(error)
        return 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, 1 for faults, or 2 for a wrong argument."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config of MMPose or MMSegmentation")
    parser.add_argument(
        "--draw", type=Path, metavar="DIR", help="draw samples as the network sees them"
    )
    parser.add_argument(
        "--number", type=int, default=8, help="how many of each split (%(default)s)"
    )
    add_cfg_options(parser)
    args = parser.parse_args(arguments)
    try:
        config = load_config(args.config, args.cfg_options)
    except ValueError as error:
        print(f"check_data: error: {error}", file=sys.stderr)
        return 2
    init_default_scope(config.get("default_scope", "mmpose"))
    draw = dict(visualizer=config.visualizer, number=args.number)
    faults, seen = 0, []
    for split in ("train", "val", "test"):
        loader = config.get(f"{split}_dataloader")
        if loader and loader.dataset not in seen:
            seen.append(loader.dataset)
            faults += check_split(split, loader.dataset.copy(), args.draw, draw)
    if not faults:
        faults += rehearse(config)
    print("nothing is wrong" if not faults else "mim train would stop at this")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
