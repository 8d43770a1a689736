r"""Export a pose or segmentation network to ONNX or ncnn, checked against PyTorch.

    python tools/export_onnx.py configs/pose/litehrnet_18_coco_256x192.py \
        checkpoint.pth --out model.onnx

The file of a pose config maps crops (N, 3, H, W), red, green, blue, 0 to 255, to
``keypoints`` (N, K, 2) in pixels of the crop and ``scores`` (N, K), with the config's
flip test. That of a segmentation config maps normalised images to the head's logits. It
is compared with the trained network; the command fails if they are not equal, and then
leaves a file that is already there as it is. ``--out model.param`` writes ncnn's two
files, model.param and model.bin, which map a normalised image to heatmaps or logits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config
from torch import Tensor, nn

import mmlitehrnet  # noqa: F401  Registers the backbones.
from mmlitehrnet.apis.calibration import calibration_images
from mmlitehrnet.apis.command_line import add_cfg_options
from mmlitehrnet.apis.model import config_input_size, load_config, network_from_config
from mmlitehrnet.checkpoints import (
    load_checkpoint,
    load_weights,
    meta_of,
)
from mmlitehrnet.deploy.comparison import Difference
from mmlitehrnet.deploy.export import TOLERANCES, check_output, export_onnx
from mmlitehrnet.deploy.ncnn import export_ncnn
from mmlitehrnet.deploy.quantization import PRECISIONS
from mmlitehrnet.deploy.tracing import MIN_OPSET
from mmlitehrnet.models.deployed.form import FORMS

#: Suffix of the file to write -> those of all files that are written.
FILES = {".onnx": [".onnx"], ".param": [".param", ".bin"]}
#: Images that int8 is calibrated on by default.
NUM_CALIBRATED = 100
#: Options that ncnn's files have no use for, and their defaults.
ONNX_OPTIONS = dict(
    batch_size=1,
    dynamic_batch=False,
    dynamic_size=False,
    opset=MIN_OPSET,
    network_only=False,
    rtmlib=False,
    precision="float32",
    flip_test=None,
)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config of MMPose or MMSegmentation")
    parser.add_argument("checkpoint", nargs="?", help="trained weights; default: none")
    parser.add_argument(
        "--out", required=True, help="file to write: .onnx, or .param for ncnn"
    )
    add_cfg_options(parser)
    parser.add_argument(
        "--input-size",
        nargs=2,
        type=int,
        metavar=("H", "W"),
        help="height and width in pixels; default: the config's",
    )
    parser.add_argument("--batch-size", type=int, default=1, help="number of images")
    parser.add_argument(
        "--dynamic-batch", action="store_true", help="take any number of images"
    )
    parser.add_argument(
        "--dynamic-size",
        action="store_true",
        help="take any sides that are multiples of 32",
    )
    parser.add_argument("--opset", type=int, default=MIN_OPSET)
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--target",
        choices=sorted(FORMS),
        help="runtime whose form of the network is exported; default: the file's",
    )
    form.add_argument(
        "--no-deploy",
        action="store_true",
        help="export the network as it was trained",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="what the file computes in; int8 is for OpenVINO, and of networks without "
        "depthwise convolutions (Small HRNet) for ONNX Runtime, too",
    )
    parser.add_argument(
        "--calibration-images",
        type=int,
        metavar="N",
        help="how many images of the config's val_dataloader the ranges of int8 are "
        f"found on; default: {NUM_CALIBRATED}",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        help="largest difference allowed, relative to a map's largest value; more "
        "where rounding makes more in PyTorch; default: "
        + ", ".join(f"{value:g} in {name}" for name, value in TOLERANCES.items()),
    )
    parser.add_argument(
        "--network-only",
        action="store_true",
        help="write a pose network alone, from normalised images to maps",
    )
    parser.add_argument(
        "--flip-test",
        action=argparse.BooleanOptionalAction,
        help="average a crop's maps with those of its mirror image, which takes twice "
        "the time; default: what the config's test_cfg says",
    )
    parser.add_argument(
        "--rtmlib",
        action="store_true",
        help="take images as rtmlib's RTMPose (SimCC) and ViTPose (UDP) feed them",
    )
    args = parser.parse_args(arguments)
    if args.calibration_images is None:
        args.calibration_images = NUM_CALIBRATED
    elif args.precision != "int8":
        parser.error(
            f"--calibration-images is for --precision int8, got {args.precision}"
        )
    if args.tolerance is None:
        args.tolerance = TOLERANCES[args.precision]
    if not args.tolerance >= 0:
        parser.error(f"--tolerance must be at least 0, got {args.tolerance}")
    return args


def prepare_output(out: str, *inputs: str | None) -> None:
    """Make the folder of the file to write.

    Raises:
        OSError: If there can be no such file, or it is one of the inputs.
        ValueError: If it ends in neither .onnx nor .param.
    """
    path = Path(out)
    if path.suffix not in FILES:
        raise ValueError(f"must end in {' or '.join(FILES)}, got {out!r}")
    for suffix in FILES[path.suffix]:
        path = path.with_suffix(suffix)
        for given in inputs:
            if given is not None and path.resolve() == Path(given).resolve():
                raise OSError(f"{path} is an input, and would be overwritten")
        path.parent.mkdir(parents=True, exist_ok=True)
        check_output(path, suffix)


def load_model(config: Config, checkpoint: str | None) -> nn.Module:
    """Build the model of a config and load its weights, as MMPose's ``init_model``.

    Args:
        config: A config of MMPose or MMSegmentation.
        checkpoint: File of weights, if any.

    Raises:
        ValueError: If the model cannot be built, or the checkpoint does not fit.
    """
    config.model.pop("pretrained", None)
    model = network_from_config(config)
    loaded = None
    if checkpoint is not None:
        loaded = load_checkpoint(checkpoint)
        load_weights(model, loaded, name=checkpoint)
    scope = config.get("default_scope", "mmpose")
    if scope in METAS:
        model.cfg = config
        model.dataset_meta = METAS[scope](config, meta_of(loaded))
    return model.eval()


def pose_meta(config: Config, meta: Mapping) -> Mapping:
    """Find a pose model's keypoints where MMPose's ``init_model`` takes them from.

    Args:
        config: The model's config.
        meta: What its checkpoint holds beside weights.
    """
    from mmpose.apis.inference import dataset_meta_from_config
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    return (
        meta.get("dataset_meta")
        or dataset_meta_from_config(config, "train")
        or parse_pose_metainfo(dict(from_file="configs/_base_/datasets/coco.py"))
    )


def seg_meta(config: Config, meta: Mapping) -> Mapping:
    """Find a segmentor's classes and palette: of its checkpoint, else its test data.

    Args:
        config: The model's config.
        meta: What its checkpoint holds beside weights.
    """
    from mmseg.registry import DATASETS

    dataset = (config.get("test_dataloader") or {}).get("dataset") or {}
    kind = DATASETS.get(dataset.get("type", "BaseSegDataset"))
    return (
        meta.get("dataset_meta")
        or dataset.get("metainfo")
        or getattr(kind, "METAINFO", {})
    )


#: Scope of a config -> what finds the meta information of its data.
METAS = {"mmpose": pose_meta, "mmseg": seg_meta}


def is_ncnn(out: str) -> bool:
    """Whether a file to write is ncnn's."""
    return Path(out).suffix == ".param"


def export(
    model: nn.Module, config: Config, size: Sequence[int], args: argparse.Namespace
) -> Difference:
    """Export in the format that the file's name asks for.

    Raises:
        ValueError: If an option is not one of that format, or there are no images to
            calibrate on.
    """
    target = args.target or ("ncnn" if is_ncnn(args.out) else "onnxruntime")
    target = None if args.no_deploy else target
    options = {name: getattr(args, name) for name in ONNX_OPTIONS}
    if not is_ncnn(args.out):
        if args.precision == "int8":

            def calibrate() -> Tensor:
                images = calibration_images(config, model, args.calibration_images)
                print(
                    f"calibrated on {len(images)} images of {tuple(images.shape[2:])}"
                )
                return images

            options["calibration"] = calibrate
        return export_onnx(
            model, args.out, size, target, tolerance=args.tolerance, **options
        )
    given = [name for name, default in ONNX_OPTIONS.items() if options[name] != default]
    if given:
        option = "--" + given[0].replace("_", "-")
        raise ValueError(
            f"{option} is for ONNX files, and {args.out} is one of ncnn, which holds "
            "the network for one image of a fixed size"
        )
    return export_ncnn(model, args.out, size, target, args.tolerance)


def main(arguments: list[str] | None = None) -> int:
    """Export, print the differences, and return the exit status."""
    args = parse_args(arguments)
    try:
        prepare_output(args.out, args.config, args.checkpoint)
    except (OSError, ValueError) as error:
        raise SystemExit(f"--out: {error}") from error
    try:
        config = load_config(args.config, args.cfg_options)
        model = load_model(config, args.checkpoint)
        size = tuple(args.input_size or config_input_size(config))
    except ValueError as error:
        raise SystemExit(str(error)) from error
    try:
        difference = export(model, config, size, args)
    except (ImportError, TypeError, ValueError, OSError) as error:
        raise SystemExit(f"cannot export: {error}") from error
    runtime = "ncnn" if is_ncnn(args.out) else "ONNX Runtime"
    print(
        f"{args.out}: PyTorch against {runtime}, absolute difference: mean "
        f"{difference.mean:.3g}, max {difference.largest:.3g}; largest value "
        f"{difference.scale:.3g}; max relative to a map's largest value "
        f"{difference.relative:.3g} (rounding in PyTorch: {difference.noise:.3g})"
    )
    if not difference.within(args.tolerance):
        print(
            f"not equal within {args.tolerance:g}: not written. If this is rounding, "
            "which grows in some networks that have not been trained, give a larger "
            "--tolerance",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
