"""What surrounds a pose network, as its config says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import nn

from .decoding import find_codec

#: Steps of a test pipeline whose work the runner does, leaves to whoever reads the
#: image, or that do nothing without an annotation.
STEPS = (
    "LoadImage",
    "InclusiveBBox",
    "GetBBoxCenterScale",
    "TopdownAffine",
    "PackPoseInputs",
)


class Surroundings(NamedTuple):
    """What is done before and after a pose network.

    Attributes:
        input_size: Width and height of the crops in pixels.
        padding: Side of the region around a box, relative to the box's.
        use_udp: Whether crops reach from the first pixel's centre to the last one's.
        mean: Mean of each channel of the network's images.
        std: Standard deviation of each.
        rgb: Whether the network's channels are red, green, blue.
        codec: MMPose's codec.
        flip_indices: For each keypoint, the one that it is when the image is flipped,
            or None without flip test.
        shift_heatmap: Whether the flip test moves the mirrored heatmaps by one cell.
        keypoint_indices: Which of the network's keypoints are given, or None for all.
    """

    input_size: tuple[int, int]
    padding: float
    use_udp: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    rgb: bool
    codec: Any
    flip_indices: tuple[int, ...] | None
    shift_heatmap: bool
    keypoint_indices: tuple[int, ...] | None


def has_decoder(model: nn.Module) -> bool:
    """Whether a model is a pose estimator that decodes keypoints."""
    return getattr(getattr(model, "head", None), "decoder", None) is not None


def read_surroundings(
    model: Any,
    input_size: Sequence[int] | None = None,
    flip_test: bool | None = None,
) -> Surroundings:
    """Read off a model of MMPose what surrounds its network.

    Args:
        model: A top-down estimator, with its config in ``cfg``.
        input_size: Height and width of the crops in pixels; default: those of the
            test pipeline.
        flip_test: Whether to average with the mirrored crop's maps; default: what
            ``test_cfg`` says.

    Raises:
        ValueError: If something of that cannot be exported, which is named.
    """
    codec, test_cfg = model.head.decoder, model.test_cfg or {}
    try:
        row = find_codec(codec)
    except ValueError as error:
        raise _refusal(str(error)) from error
    box, affine = _steps(model.cfg)
    if list(affine.input_size) != list(codec.input_size):
        raise _refusal(
            f"TopdownAffine to {affine.input_size} and a codec for {codec.input_size}"
        )
    width, height = affine.input_size if input_size is None else input_size[::-1]
    size, is_simcc = (int(width), int(height)), row.name == "SimCCLabel"
    if is_simcc and size != tuple(affine.input_size):
        raise ValueError(
            "a network with SimCC is for images of one size: input_size must be "
            f"{tuple(affine.input_size[::-1])}, got {size[::-1]}"
        )
    divisor = getattr(model.data_preprocessor, "pad_size_divisor", 1)
    if any(side % divisor for side in size):
        raise _refusal(
            f"data_preprocessor.pad_size_divisor={divisor} for images {size}"
        )
    meta = getattr(model, "dataset_meta", None) or model.metainfo or {}
    chosen = test_cfg.get("output_keypoint_indices")
    return Surroundings(
        input_size=size,
        padding=float(box.padding),
        use_udp=bool(affine.use_udp),
        **normalisation(model.data_preprocessor),
        codec=codec,
        flip_indices=_flip_indices(test_cfg, meta, flip_test, is_simcc),
        shift_heatmap=not is_simcc and bool(test_cfg.get("shift_heatmap", False)),
        keypoint_indices=None if chosen is None else tuple(map(int, chosen)),
    )


def _refusal(what: str) -> ValueError:
    return ValueError(
        f"{what}: the model cannot be exported with what surrounds its network; the "
        "network alone can: --network-only, network_only=True"
    )


def _flip_indices(
    test_cfg: Any, meta: Any, flip_test: bool | None, is_simcc: bool
) -> tuple[int, ...] | None:
    if flip_test is None:
        flip_test = bool(test_cfg.get("flip_test", False))
    if not flip_test:
        return None
    mode = test_cfg.get("flip_mode", "heatmap")
    if not is_simcc and mode != "heatmap":
        raise _refusal(f"test_cfg.flip_mode={mode!r}")
    if (indices := meta.get("flip_indices")) is None:
        raise ValueError(
            "flip_test needs flip_indices, which the dataset's metainfo has not: "
            "--no-flip-test, flip_test=False"
        )
    return tuple(map(int, indices))


def _steps(config: Any) -> tuple[Any, Any]:
    """Build the steps of a test pipeline that cut the image out of a box."""
    from mmpose.registry import TRANSFORMS

    loader = config.get("test_dataloader") or {}  # None, too, as in MMEngine
    pipeline = loader.get("dataset", {}).get("pipeline")
    if pipeline is None:
        raise _refusal("no test_dataloader.dataset.pipeline in its config")
    steps = {}
    for step in pipeline:
        name = step["type"] if isinstance(step["type"], str) else step["type"].__name__
        name = name.rsplit(".")[-1]
        if name not in STEPS or name in steps:
            raise _refusal(
                f"{'a second ' * (name in steps)}{name} in its test pipeline"
            )
        steps[name] = step
    box, affine = "GetBBoxCenterScale", "TopdownAffine"
    if [name for name in steps if name in (box, affine)] != [box, affine]:
        raise _refusal(f"a test pipeline of {list(steps)}, without {box}, {affine}")
    if steps.get("LoadImage", {}).get("to_float32"):
        raise _refusal("LoadImage(to_float32=True) in its test pipeline")
    return TRANSFORMS.build(steps[box]), TRANSFORMS.build(steps[affine])


def normalisation(preprocessor: Any) -> dict[str, Any]:
    """Mean, standard deviation and order of channels that a network's images have."""
    values: dict[str, Any] = dict(mean=(0.0,), std=(1.0,))
    if hasattr(preprocessor, "mean"):  # It normalises.
        values = {
            name: tuple(getattr(preprocessor, name).flatten().tolist())
            for name in values
        }
    # MMSegmentation's has another name for it.
    rgb = getattr(preprocessor, "_channel_conversion", False)
    return dict(values, rgb=bool(rgb or getattr(preprocessor, "channel_conversion", 0)))
