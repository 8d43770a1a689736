"""What surrounds a pose network, as its config says it, for the runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import nn

from .runner import PoseTask


class Codec(NamedTuple):
    """A codec of MMPose that the runner decodes.

    Attributes:
        name: Its class.
        values: Arguments that it must have been given, with their values.
        decoder: The runner's decoder.
        fields: Fields of the task, with the attributes of the codec that they are.
    """

    name: str
    values: Mapping[str, Any]
    decoder: str
    fields: Mapping[str, str]


_BLUR = dict(blur_kernel_size="blur_kernel_size")
CODECS = (
    Codec("MSRAHeatmap", dict(unbiased=False), "shift", {}),
    Codec("MSRAHeatmap", dict(unbiased=True), "dark", _BLUR),
    Codec("MSRAHeatmapBlur", dict(unbiased=False), "shift", _BLUR),
    Codec("UDPHeatmap", dict(heatmap_type="gaussian"), "dark_udp", _BLUR),
    Codec(
        "SimCCLabel",
        dict(use_dark=False, decode_visibility=False),
        "simcc",
        dict(split_ratio="simcc_split_ratio"),
    ),
)
#: Steps of a test pipeline that the runner does, or leaves to whoever reads the image.
STEPS = ("LoadImage", "GetBBoxCenterScale", "TopdownAffine", "PackPoseInputs")


def has_decoder(model: nn.Module) -> bool:
    """Whether a model is a pose estimator that decodes keypoints."""
    return getattr(getattr(model, "head", None), "decoder", None) is not None


def pose_task(model: Any, input_size: Sequence[int] | None = None) -> PoseTask:
    """Read off a model of MMPose what surrounds its network.

    Args:
        model: A top-down estimator, with its config in ``cfg``.
        input_size: Height and width of the images in pixels; default: those of the
            test pipeline.

    Raises:
        ValueError: If the runner does not do something of that, which is named.
    """
    codec, test_cfg = model.head.decoder, model.test_cfg or {}
    found = _codec(codec)
    box, affine = _steps(model.cfg)
    if list(affine.input_size) != list(codec.input_size):
        raise _refusal(
            f"TopdownAffine to {affine.input_size} and a codec for {codec.input_size}"
        )
    width, height = affine.input_size if input_size is None else input_size[::-1]
    size = (int(width), int(height))
    if found.decoder == "simcc" and size != tuple(affine.input_size):
        raise ValueError(
            "a network with SimCC is for images of one size: input_size must be "
            f"{tuple(affine.input_size[::-1])}, got {size[::-1]}"
        )
    heatmaps = found.decoder != "simcc"
    if heatmaps and test_cfg.get("flip_mode", "heatmap") != "heatmap":
        raise _refusal(f"test_cfg.flip_mode={test_cfg['flip_mode']!r}")
    meta = getattr(model, "dataset_meta", None) or model.metainfo or {}
    flip, chosen = meta.get("flip_indices"), test_cfg.get("output_keypoint_indices")
    return PoseTask(
        input_size=size,
        **_normalisation(model.data_preprocessor, size),
        padding=float(box.padding),
        use_udp=bool(affine.use_udp),
        decoder=found.decoder,
        **{field: getattr(codec, name) for field, name in found.fields.items()},
        flip_indices=None if flip is None else tuple(map(int, flip)),
        flip_test=bool(test_cfg.get("flip_test", False)) and flip is not None,
        shift_heatmap=heatmaps and bool(test_cfg.get("shift_heatmap", False)),
        keypoint_indices=None if chosen is None else tuple(map(int, chosen)),
    )


def _refusal(what: str) -> ValueError:
    return ValueError(
        f"mmlitehrnet.deploy.runner cannot run a model with {what}; the network alone "
        "can be exported: --network-only, network_only=True"
    )


def _codec(codec: Any) -> Codec:
    name = type(codec).__name__
    rows = [row for row in CODECS if row.name == name]
    if not rows:
        known = sorted({row.name for row in CODECS})
        raise _refusal(f"codec {name}, but only with {known}")
    for row in rows:
        if all(getattr(codec, k, value) == value for k, value in row.values.items()):
            return row
    given = {key: getattr(codec, key) for key in rows[0].values}
    raise _refusal(f"codec {name} with {given}")


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
    order = [name for name in steps if name in (box, affine)]
    if order != [box, affine]:
        raise _refusal(f"a test pipeline of {list(steps)}, without {box}, {affine}")
    if steps.get("LoadImage", {}).get("to_float32"):
        raise _refusal("LoadImage(to_float32=True) in its test pipeline")
    return TRANSFORMS.build(steps[box]), TRANSFORMS.build(steps[affine])


def _normalisation(preprocessor: Any, size: tuple[int, ...]) -> dict[str, Any]:
    divisor = getattr(preprocessor, "pad_size_divisor", 1)
    if any(side % divisor for side in size):
        raise _refusal(
            f"data_preprocessor.pad_size_divisor={divisor} for images {size}"
        )
    values: dict[str, Any] = dict(mean=(0.0,), std=(1.0,))
    if hasattr(preprocessor, "mean"):  # It normalises.
        values = {
            name: tuple(getattr(preprocessor, name).flatten().tolist())
            for name in values
        }
    return dict(values, rgb=bool(preprocessor._channel_conversion))
