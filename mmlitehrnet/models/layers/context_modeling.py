"""Adaptive context modeling: dense (DCM) and global (GCM) (Dite-HRNet, 3.3)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.fx
import torch.nn.functional as F
from mmcv.cnn import build_conv_layer
from torch import Tensor, nn

from .channel_weighting import multiply_upsampled
from .norm import BN, build_norm
from .per_branch import PerBranch
from .tracing import FxLeaf, average_pool, is_compiling, size_of

if TYPE_CHECKING:
    from ..deployed import ChannelOrder, Form


def _channel_attention(
    channels: int, reduced: int, conv_cfg: dict | None, norm_cfg: dict
) -> nn.Sequential:
    """1x1 convolution, normalisation, ReLU, 1x1 convolution with bias, sigmoid."""
    return nn.Sequential(
        build_conv_layer(conv_cfg, channels, reduced, 1, bias=False),
        build_norm(norm_cfg, reduced),
        nn.ReLU(inplace=True),
        build_conv_layer(conv_cfg, reduced, channels, 1),
        nn.Sigmoid(),
    )


def _num_pooled(size: int, cells: int, like: Tensor) -> Tensor:
    """How many of ``size`` positions adaptive pooling puts in each of its cells."""
    cell = torch.arange(cells, device=like.device)
    end = ((cell + 1) * size + cells - 1) // cells
    return (end - cell * size // cells).to(like)


def window_sums(x: Tensor, mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Sum of mask times map over the window of each output cell (Dite-HRNet, Eq. 5).

    Args:
        x: Map of shape (N, C, H, W).
        mask: Mask of shape (N, 1, H, W).
        size: Output cells (h, w). Windows are those of adaptive pooling: where
            H is not a multiple of h, neighbouring windows share positions.

    Returns:
        Sums of shape (N, C, h, w).
    """
    height, width = size_of(x)
    alike = height % size[0] == 0 and width % size[1] == 0  # the windows
    window = (height // size[0], width // size[1])
    if alike and not (torch.jit.is_tracing() or is_compiling()):  # ONNX has no sums.
        return F.avg_pool2d(x * mask, window, divisor_override=1)
    means = average_pool(x * mask, size)
    if alike:
        return means * (window[0] * window[1])
    rows = _num_pooled(height, size[0], means)
    columns = _num_pooled(width, size[1], means)
    return means * (rows[:, None] * columns)


def official_sums(x: Tensor, mask: Tensor, size: tuple[int, int]) -> Tensor:
    """What the released code computes in the place of :func:`window_sums`.

    The map is cut into h * w runs of memory, which hold some positions of some
    channels each; run and mask are multiplied as if they were the positions of one
    window. For weights that were trained with it.

    Args:
        x: Map of shape (N, C, H, W).
        mask: Mask of shape (N, 1, H, W).
        size: Output cells (h, w).

    Returns:
        Sums of shape (N, C, h, w).

    Raises:
        ValueError: If H * W is not a multiple of h * w.
    """
    n, channels, height, width = x.shape
    cells = size[0] * size[1]
    if height * width % cells:
        raise ValueError(
            f"context_pooling='official' cannot pool a map of {height}x{width} to "
            f"{size[0]}x{size[1]} cells: the number of positions must be a multiple "
            "of the number of cells. Use an image size that is a multiple of 32, or "
            "context_pooling='window'"
        )
    runs = x.reshape(n, cells, channels, -1)
    sums = runs @ mask.reshape(n, cells, -1, 1)
    return sums.transpose(1, 2).reshape(n, channels, *size)


#: Name -> what pools a map by a mask: (map, mask, output cells) -> sums.
CONTEXT_POOLING: dict[str, Callable[[Tensor, Tensor, tuple[int, int]], Tensor]] = {
    "window": window_sums,
    "official": official_sums,
}


def masked_sums(
    x: Tensor, logits: Tensor, size: tuple[int, int], pooling: str
) -> Tensor:
    """Pool a map by a mask, see :data:`CONTEXT_POOLING`.

    Args:
        x: Map of shape (N, C, H, W).
        logits: Logits of the mask, (N, 1, H, W) or (N, 1, H * W).
        size: Output cells (h, w).
        pooling: Key of :data:`CONTEXT_POOLING`.
    """
    flat = logits if logits.dim() == 3 else logits.flatten(2)
    mask = flat.softmax(dim=2).view(-1, 1, x.shape[2], x.shape[3])
    return CONTEXT_POOLING[pooling](x, mask, size)


torch.fx.wrap("masked_sums")  # It asks for sizes: one node in a graph.


class ProductMask(nn.Module):
    """The logits of a mask as a product of matrices.

    Args:
        weight: Weight (1, C) of each channel. A bias would make no difference.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, 1, H * W)."""
        return self.weight @ x.flatten(2)


def deploy_mask(conv: nn.Module, half: ChannelOrder, form: Form) -> nn.Module:
    """Inference form of a convolution that gives the logits (N, 1, H * W) of a mask.

    Where nothing is in ONNX Runtime's blocked layout, a convolution would have the map
    brought into it.
    """
    logits: Any = form.chain(conv, half, half.natural(1))[0]
    if form.splits:
        return ProductMask(logits.weight.flatten(1))
    return nn.Sequential(logits, nn.Flatten(2))


class DenseContextModeling(nn.Module):
    """Weights for each channel and position, from all resolutions together (DCM).

    Each branch is pooled to the lowest resolution by a learnt mask, all are
    concatenated, two 1x1 convolutions give weights in (0, 1), which are upsampled
    (nearest) and multiplied (Dite-HRNet, Fig. 3 a, Eq. 5).

    The branch of the lowest resolution needs no pooling. Its mask is there because
    the released code has one: it counts among the papers' parameters and is in
    checkpoints, but takes no part, and so needs no gradient.

    Args:
        channels: Widths of the maps.
        reduction: Reduction of the first 1x1 convolution.
        pooling: Key of :data:`CONTEXT_POOLING`.
        conv_cfg: Config of the convolution layers.
        norm_cfg: Config of the normalisation layers.
    """

    def __init__(
        self,
        channels: Sequence[int],
        reduction: int = 8,
        pooling: str = "window",
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
    ) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.pooling = pooling
        total = sum(channels)
        self.conv_mask = nn.ModuleList(
            build_conv_layer(conv_cfg, c, 1, 1) for c in channels
        )
        self.conv_mask[-1].requires_grad_(False)
        # 'official' sums depend on the order of the channels in memory.
        self.reorder: nn.Module | None = None
        self.channel_attention: nn.Module = _channel_attention(
            total, total // reduction, conv_cfg, norm_cfg
        )

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of the same shapes."""
        *higher, lowest = xs if self.reorder is None else self.reorder(xs)
        size = size_of(lowest)
        pooled = [
            masked_sums(y, conv(x), size, self.pooling)
            for x, y, conv in zip(xs, higher, self.conv_mask)
        ]
        weights = self.channel_attention(torch.cat([*pooled, lowest], dim=1))
        return multiply_upsampled(xs, weights.split(self.channels, dim=1))

    def deploy(
        self, halves: list[ChannelOrder], form: Form
    ) -> tuple[nn.Module, list[ChannelOrder]]:
        """Inference form, and the orders of what comes out."""
        module = copy.deepcopy(self)
        pairs = zip(self.conv_mask, halves)
        module.conv_mask = nn.ModuleList(deploy_mask(*pair, form) for pair in pairs)
        read = halves
        if self.pooling == "official" and not all(half.is_natural for half in halves):
            module.reorder = PerBranch(form.reorder(half) for half in halves)
            read = [half.natural(half.width) for half in halves]
        into, out = (orders[0].followed_by(*orders[1:]) for orders in (read, halves))
        module.channel_attention = form.attention(
            [self.channel_attention], into, out, pixels=True
        )
        module.channels = tuple(half.size for half in halves)
        return module, halves


class GlobalContextModeling(FxLeaf, nn.Module):
    """One weight for each channel, from all positions (GCM).

    A learnt mask pools the map to one cell, two 1x1 convolutions give weights in
    (0, 1); the weighted map is normalised (Dite-HRNet, Fig. 3 b, Eq. 6).

    Args:
        channels: Width of the map.
        reduction: Reduction of the first 1x1 convolution.
        conv_cfg: Config of the convolution layers.
        norm_cfg: Config of the normalisation layers.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 4,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
    ) -> None:
        super().__init__()
        # First, as fuse_conv_bn takes the last convolution before a normalisation for
        # the one that feeds it.
        self.bn = build_norm(norm_cfg, channels)
        self.conv_mask = build_conv_layer(conv_cfg, channels, 1, 1)
        self.channel_attention = _channel_attention(
            channels, channels // reduction, conv_cfg, norm_cfg
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        mask = self.conv_mask(x).flatten(2).softmax(dim=2)
        pooled = x.flatten(2) @ mask.transpose(1, 2)
        return self.bn(x * self.channel_attention(pooled[..., None]))

    def deploy(self, half: ChannelOrder, form: Form) -> tuple[nn.Module, ChannelOrder]:
        """Inference form, and the order of what comes out."""
        mask = deploy_mask(self.conv_mask, half, form)
        attention = form.attention([self.channel_attention], half, half)
        scale, bias = form.read_norm(self.bn)
        scale, bias = half.select(scale, fill=1.0), half.select(bias) * half.scale
        return DeployedGlobalContext(mask, attention, scale, bias, form.splits), half


class DeployedGlobalContext(nn.Module):
    """The inference form of global context modeling.

    Args:
        mask: Maps (N, C, H, W) to the logits of a mask (N, 1, H * W).
        attention: Maps sums (N, C, 1, 1) to weights.
        scale: Scale (C,) of the normalisation.
        bias: Bias (C,) of the normalisation.
        multiplies: Whether the sums are products of matrices: twice as slow in
            OpenVINO as averages, faster in ONNX Runtime.
    """

    def __init__(
        self,
        mask: nn.Module,
        attention: nn.Module,
        scale: Tensor,
        bias: Tensor,
        multiplies: bool,
    ) -> None:
        super().__init__()
        self.mask = mask
        self.multiplies = multiplies
        self.attention = attention
        self.scale = nn.Parameter(scale.view(1, -1, 1, 1))
        self.bias = nn.Parameter(bias.view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        mask = self.mask(x).softmax(dim=2)
        if self.multiplies:
            sums = (x.flatten(2) @ mask.transpose(1, 2))[..., None]
        else:
            mask = mask.view(-1, 1, x.shape[2], x.shape[3])  # ncnn has no view_as.
            sums = F.adaptive_avg_pool2d(x * mask, 1) * (x.shape[2] * x.shape[3])
        return x * (self.attention(sums) * self.scale) + self.bias
