"""Load weights into a model if they fit it, and say what does not.

MMEngine loads what fits and leaves the rest of the model random.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .converting import shorten
from .reading import CheckpointError, load_checkpoint, meta_of, weights_of


class Mismatch(NamedTuple):
    """What of a checkpoint does not fit a model.

    Attributes:
        missing: Tensors of the model that the checkpoint lacks.
        unexpected: Tensors of the checkpoint that the model has no place for; not the
            normalisation in published files, which is the config's to give.
        shapes: Name -> shape in the checkpoint and in the model, where they differ.
        fitting: Number of tensors that fit.
        errors: What the model's own loading says besides.
    """

    missing: list[str]
    unexpected: list[str]
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    fitting: int
    errors: str = ""

    @property
    def complete(self) -> bool:
        """Whether every tensor of the model gets its value."""
        return not (self.missing or self.shapes or self.errors)

    @property
    def exact(self) -> bool:
        """Whether, besides, the checkpoint holds nothing else."""
        return self.complete and not self.unexpected


def compare_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> Mismatch:
    """Find out what of a checkpoint does not fit a model, which stays as it is.

    Args:
        model: The model, as built from its config.
        weights: Tensors by name.
    """
    # A copy without values: the model itself renames what it loads.
    own = [*model.parameters(), *model.buffers()]
    model = copy.deepcopy(model, {id(x): x.detach().to("meta") for x in own})
    places = model.state_dict()
    shapes = {
        name: (tuple(value.shape), tuple(places[name].shape))
        for name, value in weights.items()
        if name in places and value.shape != places[name].shape
    }
    fitting = {k: v.to("meta") for k, v in weights.items() if k not in shapes}
    missing: list[str] = []
    unexpected: list[str] = []
    errors = ""
    try:
        missing, unexpected = model.load_state_dict(fitting, strict=False)
    except RuntimeError as error:
        # Tensors that the model renames while it loads, of another shape.
        errors = str(error)
    count = len(fitting) - len(unexpected)
    missing = [
        name
        for name in missing
        if name not in shapes and not name.endswith("num_batches_tracked")
    ]
    unexpected = [x for x in unexpected if not x.startswith("data_preprocessor.")]
    return Mismatch(missing, unexpected, shapes, count, errors)


#: Layers that give one map for each keypoint or class -> what sets their number.
OUTPUT_LAYERS = {
    "head.final_layer": ("keypoints", "model.head.out_channels"),
    "decode_head.conv_seg": ("classes", "model.decode_head.num_classes"),
    "auxiliary_head.conv_seg": ("classes", "model.auxiliary_head.num_classes"),
}


def explain(mismatch: Mismatch, checkpoint: Any = None, new_head: bool = False) -> str:
    """Say what does not fit, in the terms of a config, and what to do.

    Args:
        mismatch: What :func:`compare_weights` found.
        checkpoint: The whole checkpoint, for the name of the run that it comes from.
        new_head: Whether a training takes what fits and starts the head afresh.
    """
    missing, unexpected, shapes, fitting, errors = mismatch
    lines = []
    if fitting == 0:
        lines.append(
            "not one of its tensors fits: it is of another network. It has "
            f"{shorten(unexpected or shapes)}, the model {shorten(missing or shapes)}"
        )
    else:
        lines += _explain_shapes(shapes, new_head)
        if missing:
            lines.append(
                f"it lacks {len(missing)} of the model's tensors: {shorten(missing)}"
            )
        if unexpected:
            lines.append(
                f"{len(unexpected)} of its tensors have no place in the model: "
                f"{shorten(unexpected)}"
            )
    if errors:
        lines.append(errors)
    run = meta_of(checkpoint).get("experiment_name")
    if run:
        lines.append(f"it was saved by the run {run!r}: use the config of that run")
    return "; ".join(lines)


def _explain_shapes(shapes: Mapping[str, tuple], new_head: bool) -> Iterator[str]:
    """Say which shapes differ: those of the last layer by a setting of the config."""
    others = []
    for name, (there, here) in shapes.items():
        layer, _, kind = name.rpartition(".")
        if layer not in OUTPUT_LAYERS or there[1:] != here[1:]:
            others.append(f"{name} of {there} where the model's is of {here}")
        elif kind == "weight":  # The bias says the same once more.
            what, key = OUTPUT_LAYERS[layer]
            advice = f"set {key}={there[0]}, or train from it with load_from, which "
            yield (
                f"it was trained for {there[0]} {what}, the model has {here[0]}: "
                f"{'training ' if new_head else advice}starts the head afresh"
            )
    if others:
        yield (
            f"{len(others)} tensors are of another size, {others[0]}: its network has "
            "other widths"
        )


def unwrap(model: nn.Module) -> nn.Module:
    """The model inside the wrappers of parallel training and of ``--tta``."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.get_submodule("module")
    return model


def check_weights(
    model: nn.Module, checkpoint: Any, name: str, new_head: bool = False
) -> Mismatch:
    """Compare a checkpoint with a model and insist on what must be there.

    Args:
        model: The model; it stays as it is.
        checkpoint: What :func:`load_checkpoint` gave.
        name: Name of the checkpoint, for the message.
        new_head: Whether everything but the backbone may stay as it is initialised,
            as for training on other keypoints or classes.

    Returns:
        What does not fit, for the caller to report; :func:`explain` words it.

    Raises:
        CheckpointError: If there are no weights, or the model's tensors (its
            backbone's, with ``new_head``) are not all there.
    """
    mismatch = compare_weights(unwrap(model), weights_of(checkpoint, name))
    needed = "backbone." if new_head else ""
    lacks = any(x.startswith(needed) for x in (*mismatch.missing, *mismatch.shapes))
    if mismatch.fitting == 0 or lacks or mismatch.errors:
        raise CheckpointError(
            f"{name} does not fit the model: {explain(mismatch, checkpoint)}"
        )
    return mismatch


def load_weights(
    model: nn.Module, checkpoint: str | Path | Mapping, name: str = "the checkpoint"
) -> Mismatch:
    """Load a checkpoint into a model, or say why it does not fit.

    Args:
        model: The model, as built from its config.
        checkpoint: A file, or what :func:`load_checkpoint` gave.
        name: Name of a checkpoint that is no file, for messages.

    Returns:
        What was left out, for the caller to report; :func:`explain` words it.

    Raises:
        CheckpointError: If the file cannot be used, or not all of the model's tensors
            are in it. The model is as it was, then.
    """
    if isinstance(checkpoint, (str, Path)):
        name, checkpoint = str(checkpoint), load_checkpoint(checkpoint)
    mismatch = check_weights(model, checkpoint, name)
    unwrap(model).load_state_dict(weights_of(checkpoint), strict=False)
    return mismatch


def is_folded(model: nn.Module) -> bool:
    """Whether the convolutions of a model have taken over its batch normalisation.

    Weights that were taken from a deployed model are so. Each layer is the identity
    then, but for its bias: mean 0, variance 1 - eps (1 in new layers), weight 1.
    """
    layers = [x for x in model.modules() if isinstance(x, _BatchNorm) and x.affine]
    return bool(layers) and all(
        layer.running_mean is not None
        and layer.running_var is not None
        and not layer.running_mean.any()
        and bool((layer.running_var + layer.eps - 1).abs().max() < 1e-6)
        and bool((layer.weight == 1).all())
        for layer in layers
    )
