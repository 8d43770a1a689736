"""The inference form of a whole pose or segmentation model."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ..models.backbones.high_resolution import HighResolutionNet
from .fold import fold_norms
from .forms import Form
from .network import switch_to_deploy


@torch.no_grad()
def deploy_model(
    model: nn.Module,
    target: str = "pytorch",
    inplace: bool = False,
    form: Form | None = None,
    batch_size: int = 1,
) -> nn.Module:
    """Turn a trained MMPose or MMSegmentation model into the fast equivalent.

    The backbone takes its inference form, and batch normalisation in all other
    parts is folded into the convolutions before it. Everything else, such as
    preprocessing, decoding and test-time flipping, works as before.

    Args:
        model: A model whose ``backbone`` is one of this package's.
        target: Runtime that it is for, see
            :func:`~mmlitehrnet.deploy.switch_to_deploy`.
        inplace: Whether to change ``model`` itself instead of a copy.
        form: A form of its own in the place of a target's.
        batch_size: Number of images that it is made for, see
            :func:`~mmlitehrnet.deploy.switch_to_deploy`.

    Returns:
        The model in evaluation mode.

    Raises:
        TypeError: If the backbone is not one of this package's.
        ValueError: If there is no such target, or ``batch_size`` is below 1.
    """
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, HighResolutionNet):
        raise TypeError(
            "the model's backbone must be one of mmlitehrnet's, got "
            f"{type(backbone).__name__}"
        )
    deployed = switch_to_deploy(backbone, target, form, batch_size)
    if not inplace:
        # The trained backbone is not needed in the copy.
        model = copy.deepcopy(model, {id(backbone): deployed})
    model.backbone = deployed
    fold_norms(model.eval())
    return model
