"""Batch normalisation and activations folded into the convolution before them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from mmcv.cnn import ConvModule
from mmcv.cnn.bricks.wrappers import Conv2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..layers.depthwise import DepthwiseConv2d
from ..layers.dynamic_conv import DynamicConv2d

#: Layers that compute a convolution and no more, as subclasses might.
CONVS = (nn.Conv2d, Conv2d, DepthwiseConv2d)
#: Layers that may follow a convolution.
ACTIVATIONS = (nn.ReLU, nn.Sigmoid)


class Folded(NamedTuple):
    """A convolution with all that follows it.

    Attributes:
        weight: Kernel (out, in / groups, k, k), or the kernels of a dynamic convolution
            (K, out, in / groups, k, k); float64.
        bias: Bias (out,), float64.
        stride: Stride of both axes.
        depthwise: Whether each channel has its own filter.
        act: Class of the activation, if there is one.
    """

    weight: Tensor
    bias: Tensor
    stride: tuple[int, int] = (1, 1)
    depthwise: bool = False
    act: type[nn.Module] | None = None

    @property
    def width(self) -> int:
        """Number of channels that come out."""
        return len(self.bias)

    def then(self, scale: Tensor, bias: Tensor) -> Folded:
        """Fold in what follows: ``scale * x + bias``."""
        weight = self.weight * scale.view(-1, 1, 1, 1)
        return self._replace(weight=weight, bias=self.bias * scale + bias)


def block_diagonal(convs: Sequence[Folded]) -> Folded:
    """One 1x1 convolution for several that each have channels of their own."""
    weight = torch.block_diag(*(c.weight.flatten(1) for c in convs))
    bias = torch.cat([c.bias for c in convs])
    return convs[0]._replace(weight=weight[..., None, None], bias=bias)


def fold(layers: Any) -> list[Folded]:
    """Read the convolutions of a chain, with what follows each one folded in.

    Args:
        layers: A module or a sequence of modules.

    Raises:
        TypeError: If a layer is of a kind that cannot be deployed.
        ValueError: If a convolution has a geometry that cannot be.
    """
    convs: list[Folded] = []
    for layer in _leaves(layers):
        if isinstance(layer, (nn.Conv2d, DynamicConv2d)):
            convs.append(_read_conv(layer))
        elif not convs or convs[-1].act:
            raise TypeError(f"no convolution before {layer} to fold it into")
        elif isinstance(layer, ACTIVATIONS):
            convs[-1] = convs[-1]._replace(act=type(layer))
        else:
            convs[-1] = convs[-1].then(*read_norm(layer))
    return convs


def read_norm(norm: nn.Module) -> tuple[Tensor, Tensor]:
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
    return scale, bias - _read(norm.running_mean) * scale


def _read(values: Any) -> Tensor:
    return values.detach().cpu().double()


def _read_conv(conv: Any) -> Folded:
    if isinstance(conv, DynamicConv2d):
        weight = _read(conv.aggregation.weight)
        bias = weight.new_zeros(weight.shape[1])
        return Folded(weight, bias, conv.stride, conv.groups > 1)
    if type(conv) not in CONVS or isinstance(conv.padding, str):
        raise TypeError(f"only 2D convolutions can be deployed, got {conv}")
    depthwise = 1 < conv.groups == conv.in_channels == conv.out_channels
    side = conv.kernel_size[0]
    for name, value in dict(
        kernel_size=(side, side),
        padding=(side // 2, side // 2),
        dilation=(1, 1),
        padding_mode="zeros",
        groups=conv.in_channels if depthwise else 1,
    ).items():
        if getattr(conv, name) != value:
            raise ValueError(
                f"a convolution with {name}={getattr(conv, name)} cannot be deployed, "
                f"expected {value}: {conv}"
            )
    weight = _read(conv.weight)
    bias = weight.new_zeros(len(weight)) if conv.bias is None else _read(conv.bias)
    return Folded(weight, bias, conv.stride, depthwise)


def _leaves(layers: Any) -> Iterator[nn.Module]:
    """The layers of a chain, in the order in which they run."""
    if isinstance(layers, ConvModule):
        if layers.order != ("conv", "norm", "act") or layers.with_spectral_norm:
            raise TypeError(f"cannot deploy a layer with order={layers.order}")
        parts = [layers.conv]
        parts += [layers.norm] if layers.with_norm else []
        parts += [layers.activate] if layers.with_activation else []
    elif isinstance(layers, (nn.Sequential, list, tuple)):
        parts = list(layers)
    else:
        if not isinstance(layers, nn.Identity):
            yield layers
        return
    for part in parts:
        yield from _leaves(part)


@torch.no_grad()
def fold_norms(module: nn.Module) -> nn.Module:
    """Fold batch normalisation into the convolution before it, in place.

    Covers ``mmcv.cnn.ConvModule`` and neighbours in an ``nn.Sequential``: the heads of
    MMPose and MMSegmentation. Everything else is left as it is, transposed
    convolutions among it. A convolution that is in several places, as heads share them
    that have normalisations of their own, becomes several.

    Args:
        module: Any module in evaluation mode.

    Returns:
        The module.
    """
    for part in list(module.modules()):
        usual = getattr(part, "order", None) == ("conv", "norm", "act")
        if not (usual if isinstance(part, ConvModule) else type(part) is nn.Sequential):
            continue
        children: list[tuple[str, Any]] = list(part._modules.items())
        for (key, conv), (name, norm) in pairwise(children):
            foldable = isinstance(norm, _BatchNorm) and norm.track_running_stats
            if type(conv) in CONVS and foldable:
                setattr(part, key, fuse_conv_bn_eval(conv, norm))
                setattr(part, name, nn.Identity())
    return module
