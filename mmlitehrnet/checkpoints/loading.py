"""Load weights into a model if they fit it, and say what does not.

MMEngine loads what fits and leaves the rest of the model random.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .layouts import shorten
from .reading import CheckpointError, load_checkpoint, meta_of, weights_of


class Mismatch(NamedTuple):
    """What of a checkpoint does not fit a model.

    Attributes:
        missing: Tensors of the model that the checkpoint lacks.
        unexpected: Tensors of the checkpoint that the model has no place for.
        shapes: Name -> shape in the checkpoint and in the model, where they differ.
        fitting: Number of tensors that fit.
        errors: What the model's own loading says besides.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    fitting: int
    errors: str = ""

    def outside(self, *prefixes: str) -> Mismatch:
        """The part that is not about tensors whose names begin with a prefix."""

        def keep(names: Collection[str]) -> list[str]:
            return [name for name in names if not name.startswith(prefixes)]

        return self._replace(
            missing=tuple(keep(self.missing)),
            unexpected=tuple(keep(self.unexpected)),
            shapes={name: self.shapes[name] for name in keep(self.shapes)},
        )

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
    model = copy.deepcopy(model)
    own = model.state_dict()
    shapes = {
        name: (tuple(value.shape), tuple(own[name].shape))
        for name, value in weights.items()
        if name in own and value.shape != own[name].shape
    }
    fitting = {name: value for name, value in weights.items() if name not in shapes}
    missing: list[str] = []
    unexpected: list[str] = []
    errors = ""
    try:
        missing, unexpected = model.load_state_dict(fitting, strict=False)
    except RuntimeError as error:
        # Tensors that the model renames while it loads, of another shape.
        errors = str(error)
    missing = [
        name
        for name in missing
        if name not in shapes and not name.endswith("num_batches_tracked")
    ]
    count = len(fitting) - len(unexpected)
    return Mismatch(tuple(missing), tuple(unexpected), shapes, count, errors)


#: Layers that give one map for each keypoint or class -> what sets their number.
OUTPUT_LAYERS = {
    "head.final_layer.": ("keypoints", "model.head.out_channels"),
    "decode_head.conv_seg.": ("classes", "model.decode_head.num_classes"),
    "auxiliary_head.conv_seg.": ("classes", "model.auxiliary_head.num_classes"),
}


def explain(mismatch: Mismatch, checkpoint: Any = None) -> str:
    """Say what does not fit, in the terms of a config, and what to do.

    Args:
        mismatch: What :func:`compare_weights` found.
        checkpoint: The whole checkpoint, for the name of the run that it comes from.
    """
    missing, unexpected, shapes, fitting, errors = mismatch
    lines = []
    if fitting == 0:
        lines.append(
            "not one of its tensors fits: it is of another network. It has "
            f"{shorten(unexpected or shapes)}, the model {shorten(missing or shapes)}"
        )
    else:
        lines += _explain_shapes(mismatch)
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


def _explain_shapes(mismatch: Mismatch) -> list[str]:
    """Say which shapes differ: those of the last layer by a setting of the config."""
    lines, others = [], []
    for name, (there, here) in mismatch.shapes.items():
        layer = next((key for key in OUTPUT_LAYERS if name.startswith(key)), None)
        if layer is None or there[1:] != here[1:]:
            others.append(name)
        elif name.endswith("weight"):  # The bias says the same once more.
            what, key = OUTPUT_LAYERS[layer]
            lines.append(
                f"it was trained for {there[0]} {what}, the model has {here[0]}: set "
                f"{key}={there[0]}, or train from it with load_from, which starts the "
                "head afresh"
            )
    if others:
        there, here = mismatch.shapes[others[0]]
        lines.append(
            f"{len(others)} tensors are of another size, {others[0]} of {there} "
            f"where the model's is of {here}: its network has other widths"
        )
    return lines


def unwrap(model: nn.Module) -> nn.Module:
    """The model inside the wrappers of parallel training and of ``--tta``."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.get_submodule("module")
    return model


def check_weights(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    name: str,
    new_head: bool = False,
    checkpoint: Any = None,
) -> Mismatch:
    """Compare weights with a model and insist on what must be there.

    Args:
        model: The model; it stays as it is.
        weights: Tensors by name.
        name: Name of the checkpoint, for the message.
        new_head: Whether everything but the backbone may stay as it is initialised,
            as for training on other keypoints or classes.
        checkpoint: The whole checkpoint, for the message.

    Returns:
        What does not fit.

    Raises:
        CheckpointError: If the model's tensors (its backbone's, with ``new_head``) are
            not all there.
    """
    mismatch = compare_weights(model, weights)
    heads = tuple(
        f"{child}." for child, _ in model.named_children() if child != "backbone"
    )
    needed = mismatch.outside(*heads) if new_head and heads else mismatch
    if mismatch.fitting == 0 or not needed.complete:
        raise CheckpointError(
            f"{name} does not fit the model: {explain(mismatch, checkpoint)}"
        )
    return mismatch


def load_weights(
    model: nn.Module,
    checkpoint: str | Path | Mapping,
    name: str = "the checkpoint",
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
            are in it.
    """
    if isinstance(checkpoint, (str, Path)):
        name = str(checkpoint)
        checkpoint = load_checkpoint(checkpoint)
    model = unwrap(model)
    weights = weights_of(checkpoint, name)
    mismatch = check_weights(model, weights, name, checkpoint=checkpoint)
    model.load_state_dict(weights, strict=False)
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
