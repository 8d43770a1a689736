"""Batch normalisation folded into the convolution before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from mmcv.cnn import ConvModule
from mmcv.cnn.bricks.wrappers import Conv2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..layers.depthwise import DepthwiseConv2d

#: Layers that compute a convolution and no more, as subclasses might.
CONVS = (nn.Conv2d, Conv2d, DepthwiseConv2d)
ACTIVATIONS: dict[type, str] = {nn.ReLU: "relu", nn.Sigmoid: "sigmoid"}


class Affine(NamedTuple):
    """What a layer of batch normalisation does in evaluation: ``scale * x + bias``."""

    scale: Tensor
    bias: Tensor


def norm_affine(norm: nn.Module) -> Affine:
    """Scale and bias (float64) of batch normalisation in evaluation.

    Raises:
        TypeError: If the layer is no batch normalisation, or keeps no running
            statistics.
    """
    if not isinstance(norm, _BatchNorm) or not norm.track_running_stats:
        raise TypeError(
            "only batch normalisation with running statistics can be folded into a "
            f"convolution for deployment, got {norm}"
        )
    scale = (_read(norm.running_var) + norm.eps).rsqrt()
    bias = torch.zeros_like(scale)
    if norm.affine:
        scale, bias = scale * _read(norm.weight), _read(norm.bias)
    return Affine(scale, bias - _read(norm.running_mean) * scale)


def _read(values: Any) -> Tensor:
    return values.detach().cpu().double()


class Folded(NamedTuple):
    """A convolution with all that follows it.

    Attributes:
        weight: Kernel (out, in / groups, k, k), float64.
        bias: Bias (out,), float64.
        stride: Stride of both axes.
        depthwise: Whether each channel has its own filter.
        act: None, 'relu' or 'sigmoid'.
    """

    weight: Tensor
    bias: Tensor
    stride: int = 1
    depthwise: bool = False
    act: str | None = None

    def then(self, affine: Affine) -> Folded:
        """Fold an affine map of the output."""
        shape = (-1, *[1] * (self.weight.dim() - 1))
        return self._replace(
            weight=self.weight * affine.scale.view(shape),
            bias=self.bias * affine.scale + affine.bias,
        )


def read_conv(conv: Any) -> Folded:
    """Weights of a convolution as the backbones use them.

    Raises:
        TypeError: If it is another layer than a 2D convolution.
        ValueError: If its geometry is not that of the backbones.
    """
    if type(conv) not in CONVS or isinstance(conv.padding, str):
        raise TypeError(f"only 2D convolutions can be deployed, got {conv}")
    depthwise = conv.groups == conv.in_channels == conv.out_channels and (
        conv.groups > 1 or conv.kernel_size != (1, 1)
    )
    side = conv.kernel_size[0]
    expected = dict(
        kernel_size=(side, side),
        padding=(side // 2, side // 2),
        stride=(conv.stride[0],) * 2,
        dilation=(1, 1),
        padding_mode="zeros",
        groups=conv.in_channels if depthwise else 1,
    )
    for name, value in expected.items():
        if getattr(conv, name) != value:
            raise ValueError(
                f"a convolution with {name}={getattr(conv, name)} cannot be deployed, "
                f"expected {value}: {conv}"
            )
    weight = _read(conv.weight)
    bias = weight.new_zeros(len(weight)) if conv.bias is None else _read(conv.bias)
    return Folded(weight, bias, conv.stride[0], depthwise)


def leaves(module: Any) -> Iterator[nn.Module]:
    """The layers of a chain, in the order in which they run.

    Raises:
        TypeError: If the module is no chain of known layers.
    """
    if isinstance(module, nn.Sequential):
        parts = list(module)
    elif isinstance(module, ConvModule):
        if module.order != ("conv", "norm", "act") or module.with_spectral_norm:
            raise TypeError(f"cannot deploy a layer with order={module.order}")
        parts = [module.conv]
        parts += [module.norm] if module.with_norm else []
        parts += [module.activate] if module.with_activation else []
    elif isinstance(module, nn.Identity):
        return
    else:
        yield module
        return
    for part in parts:
        yield from leaves(part)


def folded_chain(module: nn.Module) -> list[Folded]:
    """The convolutions of a chain, each with what follows it folded in."""
    convs: list[Folded] = []
    for layer in leaves(module):
        acts = (a for kind, a in ACTIVATIONS.items() if isinstance(layer, kind))
        act = next(acts, None)
        if isinstance(layer, nn.Conv2d):
            convs.append(read_conv(layer))
        elif not convs or convs[-1].act:
            raise TypeError(f"no convolution before {layer} to fold it into")
        elif act:
            convs[-1] = convs[-1]._replace(act=act)
        else:
            convs[-1] = convs[-1].then(norm_affine(layer))
    return convs


@torch.no_grad()
def fold_norms(module: nn.Module) -> nn.Module:
    """Fold batch normalisation into the convolution before it, in place.

    Covers ``mmcv.cnn.ConvModule`` (convolution, normalisation, activation) and
    neighbours in an ``nn.Sequential``: the heads of MMPose and MMSegmentation.
    Everything else is left as it is: transposed convolutions, and convolutions that
    are in several places, as heads share them that have normalisations of their own.

    Args:
        module: Any module in evaluation mode.

    Returns:
        The module.
    """
    places = Counter(child for part in module.modules() for child in _children(part))
    for part in module.modules():
        if isinstance(part, ConvModule):
            usual = part.order == ("conv", "norm", "act") and places[part.conv] == 1
            if part.with_norm and usual and _fold_pair(part.conv, part.norm):
                setattr(part, part.norm_name, nn.Identity())
        elif isinstance(part, nn.Sequential):
            for k in range(len(part) - 1):
                if places[part[k]] == 1 and _fold_pair(part[k], part[k + 1]):
                    part[k + 1] = nn.Identity()
    return module


def _children(module: nn.Module) -> list[nn.Module | None]:
    """What a module holds; one thing as often as it does."""
    return list(module._modules.values())


def _fold_pair(conv: Any, norm: nn.Module) -> bool:
    if type(conv) not in CONVS:
        return False
    if not isinstance(norm, _BatchNorm) or not norm.track_running_stats:
        return False
    scale, bias = norm_affine(norm)
    if conv.bias is not None:
        bias = bias + _read(conv.bias) * scale
    conv.weight.copy_(_read(conv.weight) * scale.view(-1, 1, 1, 1))
    conv.bias = nn.Parameter(bias.to(conv.weight), requires_grad=False)
    return True
