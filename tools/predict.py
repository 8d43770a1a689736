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
import warnings
from collections import Counter
from pathlib import Path

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

#: Options that only one task has, named as the Inferencer's argument -> default_scope.
TASK_OPTIONS = {
    "det_model": "mmpose",
    "det_config": "mmpose",
    "det_checkpoint": "mmpose",
    "boxes": "mmpose",
    "det_category": "mmpose",
    "box_threshold": "mmpose",
    "score_threshold": "mmpose",
    "opacity": "mmseg",
}


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; options of a task that are not given are left out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "input",
        help="image, video or folder of them; address (https://, rtsp://) of one or of "
        "a stream; number of a camera",
    )
    parser.add_argument("config", nargs="?", help="config of MMPose or MMSegmentation")
    parser.add_argument("checkpoint", nargs="?", help="trained weights")
    parser.add_argument(
        "--model",
        metavar="NAME",
        help=f"instead of both: a model to download (default: {MODEL})",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("work_dirs/predictions"),
        help="folder to write to (default: %(default)s)",
    )
    parser.add_argument(
        "--device", type=device, help="as cuda:0 or cpu; default: a GPU, if any"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="leave out what has results in OUT already (not a segmentor's videos)",
    )
    parser.add_argument(
        "--launcher",
        choices=("none", "pytorch", "slurm"),
        default="none",
        help="what started this and other processes, which share the input; they need "
        "the same OUT",
    )
    add_cfg_options(parser)
    options = dict(default=argparse.SUPPRESS)
    pose = parser.add_argument_group("pose")
    pose.add_argument(
        "--det-model",
        metavar="NAME",
        **options,
        help="a detector to download, or 'whole_image' for none (default without a "
        f"config: {DETECTOR})",
    )
    pose.add_argument(
        "--det-config", **options, help="config of a detector, for boxes of people"
    )
    pose.add_argument("--det-checkpoint", **options, help="its weights")
    pose.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        **options,
        help="boxes in COCO's format, in the place of a detector",
    )
    pose.add_argument(
        "--coco",
        type=Path,
        metavar="FILE",
        help="also write all keypoints to a file in COCO's format",
    )
    pose.add_argument(
        "--det-category", type=int, **options, help="its number of a person (0)"
    )
    pose.add_argument(
        "--box-threshold", type=fraction, **options, help="least score of a box (0.3)"
    )
    pose.add_argument(
        "--score-threshold",
        type=fraction,
        **options,
        help="least score of a drawn keypoint (0.3)",
    )
    seg = parser.add_argument_group("segmentation")
    seg.add_argument(
        "--opacity", type=fraction, **options, help="of the colours, 0 to 1 (0.6)"
    )
    args = parser.parse_args(arguments)
    if ("det_config" in args) != ("det_checkpoint" in args):
        parser.error("--det-config and --det-checkpoint go together")
    if "det_config" in args and "det_model" in args:
        parser.error("--det-model: not with --det-config")
    if "boxes" in args and {"det_config", "det_model"} & set(vars(args)):
        parser.error("--boxes: not with a detector")
    if (args.config is None) != (args.checkpoint is None):
        parser.error("a config and a checkpoint go together")
    if args.config and args.model:
        parser.error("--model: not with a config")
    return args


def task_options(args: argparse.Namespace, scope: str) -> dict:
    """Take the options of a task from the command line.

    Raises:
        ValueError: If one is given that the task does not have.
    """
    given = {name: getattr(args, name) for name in TASK_OPTIONS if name in args}
    wrong = [name for name in given if TASK_OPTIONS[name] != scope]
    if wrong:
        names = ", ".join("--" + name.replace("_", "-") for name in wrong)
        raise ValueError(f"{names}: not an option for a config of {scope!r}")
    return given


def read_boxes(path: Path) -> dict[str, np.ndarray]:
    """Read boxes from a file in COCO's format, all categories of it.

    Returns:
        Name of a file -> boxes (N, 5): left, top, right, bottom, score.

    Raises:
        ValueError: If it cannot be read, or is not in that format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {image["id"]: image["file_name"] for image in content["images"]}
        boxes: dict[str, list] = {Path(name).name: [] for name in names.values()}
        for one in content["annotations"]:
            x, y, width, height = map(float, one["bbox"])
            box = [x, y, x + width, y + height, float(one.get("score", 1))]
            boxes[Path(names[one["image_id"]]).name].append(box)
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"--boxes {path}: 'images' with id and file_name and 'annotations' with "
            f"image_id and bbox are needed, as in COCO's files ({error!r})"
        ) from error
    return {name: np.reshape(found, (-1, 5)) for name, found in boxes.items()}


class CocoFile:
    """Keypoints of all images in COCO's format, as tools of labelling read them."""

    def __init__(self) -> None:
        self.images: list[dict] = []
        self.annotations: list[dict] = []
        self.frames: Counter = Counter()

    def add(self, medium: Medium, people: list[dict]) -> None:
        """Add an image, or a frame, with its people."""
        image = len(self.images) + 1
        name = medium.path.name
        if medium.kind != "image":
            self.frames[name] += 1
            name = f"{name}/{self.frames[name] - 1:06d}"
        self.images.append(dict(id=image, file_name=name))
        for person in people:
            (left, top, right, bottom), *_ = person["bbox"]
            scores = person["keypoint_scores"]
            flat = [[x, y, 2] for x, y in person["keypoints"]]
            self.annotations.append(
                dict(
                    id=len(self.annotations) + 1,
                    image_id=image,
                    category_id=1,
                    bbox=[left, top, right - left, bottom - top],
                    area=(right - left) * (bottom - top),
                    iscrowd=0,
                    keypoints=sum(flat, []),
                    num_keypoints=len(flat),
                    score=float(person["bbox_score"] * np.mean(scores)),
                )
            )

    def write(self, path: Path, meta: dict) -> None:
        """Write the file."""
        names = [meta["keypoint_id2name"][k] for k in range(meta["num_keypoints"])]
        skeleton = [[a + 1, b + 1] for a, b in meta["skeleton_links"]]
        category = dict(id=1, name=meta["dataset_name"], keypoints=names)
        category["skeleton"] = skeleton
        content = dict(
            images=self.images, annotations=self.annotations, categories=[category]
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        mmengine.dump(content, path, file_format="json")


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
    # What OpenMMLab's packages say about their own code is not for who predicts.
    warnings.filterwarnings("ignore", category=UserWarning, module="mm(pose|seg|det|e)")
    MMLogger.get_instance("predict", log_level=logging.ERROR)
    try:
        media, others = find_media(args.input)
        named = not args.config
        if named:
            found = find_model(args.model or MODEL, "mmlitehrnet", "mmpose", "mmseg")
            args.config, args.checkpoint = found
        config = load_config(args.config, args.cfg_options)
        options = task_options(args, config.get("default_scope"))
        if "boxes" in options:
            file, options["boxes"] = options["boxes"], read_boxes(options["boxes"])
            known = [one for one in media if one.path.name in options["boxes"]]
            if not known:
                raise ValueError(f"--boxes {file}: it knows no image of {args.input}")
            left = len(media) - len(known)
            if rank == 0:
                print(f"{left} skipped, not among the images of {file}")
            media = known
        if args.coco and config.get("default_scope") != "mmpose":
            raise ValueError("--coco: only keypoints are written in this format")
        if args.coco and (num_processes > 1 or args.resume):
            raise ValueError("--coco: for one process that does all, without --resume")
        if named and not {"boxes", "det_config"} & set(options):
            if config.test_dataloader.dataset.get("data_mode") == "topdown":
                options.setdefault("det_model", DETECTOR)
        detector = options.pop("det_model", "whole_image")
        if detector != "whole_image":
            options["det_config"], options["det_checkpoint"] = find_model(
                detector, "mmdet"
            )
        inferencer = open_inferencer(
            config, args.checkpoint, device=args.device and str(args.device), **options
        )
        args.out.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        print(f"predict: error: {error}", file=sys.stderr)
        return 2
    if others and rank == 0:
        names = ", ".join(path.name for path in others[:5])
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        print(f"skipped, neither image nor video: {names}{more}")
    failed, stopped, results = 0, False, CocoFile()
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
    with Progress(disable=rank > 0) as progress:
        task = progress.add_task("Predicting", total=total)
        for medium in share:
            try:
                with contextlib.closing(predict(inferencer, medium, args.out)) as steps:
                    for found in steps:
                        progress.advance(task)
                        report(progress, task, total)
                        if args.coco:
                            results.add(medium, found)
            except MediumError as error:  # The others do not suffer from it.
                failed += 1
                text = f"failed: {error}"
                progress.console.print(text, markup=False, soft_wrap=True)
            except KeyboardInterrupt:  # What there is of a stream is kept.
                stopped = True
                break
        progress.update(task, total=progress.tasks[task].completed)
    if args.coco:
        results.write(args.coco, inferencer.model.dataset_meta)
    if stopped:
        print("stopped")
    failed = sum(all_gather_object(failed))  # waits for the others
    if rank == 0:
        done = len(media) - failed
        print(f"{done} of {len(media)} done: drawings and results are in {args.out}")
    return 1 if failed and rank == 0 else 0  # the launcher ends all at the first 1


if __name__ == "__main__":
    sys.exit(main())
