r"""Draw what a trained model sees in an image, a folder of images or a video.

    python tools/predict.py photo.jpg
    python tools/predict.py photo.jpg configs/pose/litehrnet_18_coco_256x192.py \
        checkpoint.pth --out work_dirs/photo
    python tools/predict.py street.mp4 \
        configs/seg/litehrnet_18_cityscapes_512x1024.py checkpoint.pth

Drawings go to OUT/visualizations, results to OUT/predictions: keypoints as JSON, labels
as PNG. A pose model is given the whole image as one person, or the boxes of a detector
of MMDetection (--det-model, or --det-config and --det-checkpoint). A GPU is used if
there is one.

A large folder is shared among processes and machines, each picture to one of them, and
what is done is not done again:

    torchrun --nproc-per-node 8 tools/predict.py photos CONFIG CHECKPOINT \
        --launcher pytorch --resume

Without a config, a published model and a detector of people are downloaded, once;
--model and --det-model take other names: of the zoo (docs/zoo.md) and of MMPose's,
MMSegmentation's and MMDetection's metafiles.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import thread_settings  # noqa: F401  Before PyTorch.

# isort: split
import mmengine.dist.utils
import numpy as np
from mmengine.dist import all_gather_object, broadcast_object_list, get_dist_info
from mmengine.logging import MMLogger
from rich.progress import Progress, TaskID

import mmlitehrnet  # noqa: F401  Registers the backbones.
from mmlitehrnet.apis import (
    Medium,
    MediumError,
    find_media,
    find_model,
    load_config,
    open_inferencer,
    predict,
    result_of,
)
from mmlitehrnet.apis.command_line import add_cfg_options, device, fraction

#: What is taken where no config is given: OpenMMLab's Lite-HRNet-18 (COCO, AP 0.642 on
#: detected boxes) and its smallest RTMDet.
MODEL = "openmmlab_litehrnet_18_coco_256x192"
DETECTOR = "rtmdet_tiny_8xb32-300e_coco"

#: Seconds that a process which is done waits for the others: no end.
PATIENCE = 10**7

#: default_scope -> options that only its task has, as the Inferencer's arguments.
TASK_OPTIONS = {
    "mmpose": "det_model det_config det_checkpoint boxes det_category box_threshold "
    "score_threshold coco",
    "mmseg": "opacity",
}


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; options of a task that are not given are left out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "input",
        help="image, video or folder of them; address (https://, rtsp://) of one or of "
        "a stream; number of a camera",
    )
    add("config", nargs="?", help="config of MMPose or MMSegmentation")
    add("checkpoint", nargs="?", help="trained weights")
    add("--model", help=f"instead of both: a model to download (default: {MODEL})")
    add(
        "--out",
        type=Path,
        default=Path("work_dirs/predictions"),
        help="folder to write to (default: %(default)s)",
    )
    add("--device", type=device, help="as cuda:0 or cpu; default: a GPU, if any")
    add(
        "--resume",
        action="store_true",
        help="leave out what has results in OUT already (not a segmentor's videos)",
    )
    add(
        "--launcher",
        choices=("none", "pytorch", "slurm"),
        default="none",
        help="what started this and other processes, which share input and OUT",
    )
    add_cfg_options(parser)
    left_out: Any = dict(argument_default=argparse.SUPPRESS)
    pose = parser.add_argument_group("pose", **left_out)
    add = pose.add_mutually_exclusive_group().add_argument
    add(
        "--det-model",
        help="a detector to download, or 'whole_image' for none (default without a "
        f"config: {DETECTOR})",
    )
    add("--det-config", help="config of a detector, for boxes of people")
    add("--boxes", type=Path, help="file of boxes in COCO's format, for no detector")
    add = pose.add_argument
    add("--det-checkpoint", help="weights of --det-config")
    add("--det-category", type=int, help="its number of a person (0)")
    add("--box-threshold", type=fraction, help="least score of a box (0.3)")
    add("--score-threshold", type=fraction, help="of a drawn keypoint, at least (0.3)")
    add("--coco", type=Path, help="write all keypoints to this file, too, as COCO does")
    add = parser.add_argument_group("segmentation", **left_out).add_argument
    add("--opacity", type=fraction, help="of the colours, 0 to 1 (0.6)")
    args = parser.parse_args(arguments)
    if ("det_config" in args) != ("det_checkpoint" in args):
        parser.error("--det-config and --det-checkpoint go together")
    if (args.config is None) != (args.checkpoint is None):
        parser.error("a config and a checkpoint go together")
    if args.config and args.model:
        parser.error("--model: not with a config")
    return args


def task_options(args: argparse.Namespace, scope: str) -> dict[str, Any]:
    """Take the options of a task from the command line.

    Raises:
        ValueError: If one is given that the task does not have.
    """
    options = {}
    for task, names in TASK_OPTIONS.items():
        given = {name: getattr(args, name) for name in names.split() if name in args}
        if task == scope:
            options = given
        elif given:
            wrong = ", ".join("--" + name.replace("_", "-") for name in given)
            raise ValueError(f"{wrong}: not an option for a config of {scope!r}")
    return options


def read_boxes(path: Path) -> dict[str, np.ndarray]:
    """Read boxes from a file in COCO's format, all categories of it.

    Returns:
        Name of a file -> boxes (N, 5): left, top, right, bottom, score.

    Raises:
        ValueError: If it cannot be read, or is not in that format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {
            image["id"]: Path(image["file_name"]).name for image in content["images"]
        }
        boxes: dict[str, list] = {name: [] for name in names.values()}
        for one in content["annotations"]:
            x, y, width, height = map(float, one["bbox"])
            box = [x, y, x + width, y + height, float(one.get("score", 1))]
            boxes[names[one["image_id"]]].append(box)
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"--boxes {path}: 'images' with id and file_name and 'annotations' with "
            f"image_id and bbox are needed, as in COCO's files ({error!r})"
        ) from error
    return {name: np.reshape(found, (-1, 5)) for name, found in boxes.items()}


def to_coco(images: list[tuple[str, list[dict]]], meta: dict) -> dict[str, list]:
    """Give keypoints in COCO's format, as tools of labelling read them.

    Args:
        images: Names of images or frames, and their people in MMPose's layout.
        meta: The metainfo of the model's data.
    """
    annotations = []
    for number, (_, people) in enumerate(images, 1):
        for person in people:
            left, top, right, bottom = person["bbox"][0]
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=1,
                    bbox=[left, top, right - left, bottom - top],
                    area=(right - left) * (bottom - top),
                    iscrowd=0,
                    keypoints=sum(([x, y, 2] for x, y in person["keypoints"]), []),
                    num_keypoints=len(person["keypoints"]),
                    score=person["bbox_score"] * np.mean(person["keypoint_scores"]),
                )
            )
    category = dict(
        id=1,
        name=meta["dataset_name"],
        keypoints=[meta["keypoint_id2name"][k] for k in range(meta["num_keypoints"])],
        skeleton=[[a + 1, b + 1] for a, b in meta["skeleton_links"]],
    )
    return dict(
        images=[dict(id=k, file_name=name) for k, (name, _) in enumerate(images, 1)],
        annotations=annotations,
        categories=[category],
    )


def prepare(args: argparse.Namespace) -> tuple[list[Medium], Any]:
    """Find the input, say what is left out of it, and build the Inferencer.

    Raises:
        ValueError: If an argument is wrong.
        OSError: If there is no input, or OUT cannot be made.
    """
    say = print if get_dist_info()[0] == 0 else lambda text: None
    media, others = find_media(args.input)
    if others:
        names = textwrap.shorten(", ".join(path.name for path in others), 200)
        say(f"skipped, neither image nor video: {names}")
    published = not args.config
    if published:
        found = find_model(args.model or MODEL, "mmlitehrnet", "mmpose", "mmseg")
        args.config, args.checkpoint = found
    config = load_config(args.config, args.cfg_options)
    options = task_options(args, config.get("default_scope"))
    options.pop("coco", None)  # main's
    if "boxes" in options:
        file, options["boxes"] = options["boxes"], read_boxes(options["boxes"])
        known = [medium for medium in media if medium.path.name in options["boxes"]]
        if not known:
            raise ValueError(f"--boxes {file}: it knows no image of {args.input}")
        say(f"{len(media) - len(known)} skipped, not among the images of {file}")
        media = known
    elif published and "det_config" not in options:
        if config.test_dataloader.dataset.get("data_mode") == "topdown":
            options.setdefault("det_model", DETECTOR)
    detector = options.pop("det_model", "whole_image")
    if detector != "whole_image":
        options["det_config"], options["det_checkpoint"] = find_model(detector, "mmdet")
    inferencer = open_inferencer(
        config, args.checkpoint, device=args.device and str(args.device), **options
    )
    args.out.mkdir(parents=True, exist_ok=True)
    return media, inferencer


def report(progress: Progress, task: TaskID, total: int | None) -> None:
    """Print a line at each tenth where the bar is not shown, as in a log."""
    done = int(progress.tasks[task].completed)
    step = max(1, total // 10) if total else 100
    if not progress.disable and not progress.console.is_terminal and done % step == 0:
        progress.console.print(f"{done} of {total or 'a stream'}", highlight=False)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0, 1 where some image or video could not be read, 2 where an argument is wrong;
        of several processes, it is the first one that returns 1.
    """
    args = parse_args(arguments)
    if args.launcher != "none":
        from mmlitehrnet.engine.cpu_distributed import init_gloo

        init_gloo(args.launcher, timeout=PATIENCE)
        # MMEngine draws in the first process only, as this one takes itself for.
        mmengine.dist.utils.is_main_process = lambda group=None: True
    rank, num_processes = get_dist_info()
    coco: Path | None = getattr(args, "coco", None)
    # What OpenMMLab's packages say about their own code is not for who predicts.
    warnings.filterwarnings("ignore", category=UserWarning, module="mm(pose|seg|det|e)")
    MMLogger.get_instance("predict", log_level=logging.ERROR)
    try:
        if coco and (num_processes > 1 or args.resume):
            raise ValueError("--coco: for one process that does all, without --resume")
        media, inferencer = prepare(args)
    except (ValueError, OSError) as error:
        print(f"predict: error: {error}", file=sys.stderr)
        return 2
    listed = [media]
    broadcast_object_list(listed)  # A folder may have grown in the meantime.
    (media,) = listed
    share = [
        medium
        for medium in media[rank::num_processes]
        if not (args.resume and result_of(inferencer, medium, args.out).exists())
    ]
    counts = [medium.num_frames for medium in share]
    total = None if None in counts else sum(counts)
    failed, stopped, results = 0, False, []
    with Progress(disable=rank > 0) as progress:
        task = progress.add_task("Predicting", total=total)
        for medium in share:
            try:
                with contextlib.closing(predict(inferencer, medium, args.out)) as steps:
                    for frame, found in enumerate(steps):
                        progress.advance(task)
                        report(progress, task, total)
                        if coco:
                            number = "" if medium.kind == "image" else f"/{frame:06d}"
                            results.append((medium.path.name + number, found))
            except MediumError as error:  # The others do not suffer from it.
                failed += 1
                text = f"failed: {error}"
                progress.console.print(text, markup=False, soft_wrap=True)
            except KeyboardInterrupt:  # What there is of a stream is kept.
                stopped = True
                break
        progress.update(task, total=progress.tasks[task].completed)
    if coco:
        coco.parent.mkdir(parents=True, exist_ok=True)
        content = to_coco(results, inferencer.model.dataset_meta)
        mmengine.dump(content, coco, file_format="json")
    if stopped:
        print("stopped")
    failed = sum(all_gather_object(failed))  # waits for the others
    if rank == 0:
        done = len(media) - failed
        print(f"{done} of {len(media)} done: drawings and results are in {args.out}")
    return 1 if failed and rank == 0 else 0  # the launcher ends all at the first 1


if __name__ == "__main__":
    sys.exit(main())
