"""The inference form of a trained network, the network itself staying as it is."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ..models.backbones.high_resolution import HighResolutionNet
from ..models.deployed.fold import fold_norms
from ..models.deployed.form import Form


def switch_to_deploy(
    net: HighResolutionNet, target: str | Form = "pytorch", batch_size: int = 1
) -> HighResolutionNet:
    """Make the equivalent of a trained backbone that is fast.

    Args:
        net: A backbone of this package; it stays as it is.
        target: Runtime that it is for, as of the backbone's own
            :meth:`~mmlitehrnet.models.backbones.high_resolution.HighResolutionNet.switch_to_deploy`,
            which changes it in place.
        batch_size: Number of images that it is made for, as there.

    Returns:
        A copy in the inference form and in evaluation mode.

    Raises:
        TypeError: If ``net`` is no backbone of this package, or has layers that
            cannot be deployed, or another argument is of the wrong type.
        ValueError: If there is no such target, or ``batch_size`` is below 1.
    """
    if not isinstance(net, HighResolutionNet):
        raise TypeError(f"net must be a backbone of mmlitehrnet, got {type(net)}")
    net = copy.deepcopy(net)
    net.switch_to_deploy(target=target, batch_size=batch_size)
    return net


def find_backbone(model: nn.Module) -> HighResolutionNet:
    """Return the backbone of a model, or the backbone that it is.

    Raises:
        TypeError: If it is none of this package's.
    """
    backbone = getattr(model, "backbone", model)
    if not isinstance(backbone, HighResolutionNet):
        raise TypeError(
            "the model must be a backbone of mmlitehrnet or have one, got "
            f"{type(backbone).__name__}"
        )
    return backbone


@torch.no_grad()
def deploy_model(
    model: nn.Module,
    target: str | Form = "pytorch",
    inplace: bool = False,
    batch_size: int = 1,
) -> nn.Module:
    """Turn a trained MMPose or MMSegmentation model into the fast equivalent.

    The backbone takes its inference form, and batch normalisation in all other
    parts is folded into the convolutions before it. Everything else, such as
    preprocessing, decoding and test-time flipping, works as before.

    Args:
        model: A model whose ``backbone`` is one of this package's, or a backbone.
        target: Runtime that it is for, see :func:`switch_to_deploy`.
        inplace: Whether to change ``model`` itself instead of a copy.
        batch_size: Number of images that it is made for, see
            :func:`switch_to_deploy`.

    Returns:
        The model in evaluation mode.

    Raises:
        TypeError: If the backbone is not one of this package's.
        ValueError: If there is no such target, or ``batch_size`` is below 1.
    """
    model = model if inplace else copy.deepcopy(model)
    find_backbone(model).switch_to_deploy(target=target, batch_size=batch_size)
    return fold_norms(model.eval())
