"""The inference form of adaptive context modeling (DCM and GCM)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.context_modeling import (
    DenseContextModeling,
    GlobalContextModeling,
    official_sums,
    window_sums,
)
from .channels import (
    NONE,
    ChannelOrder,
    concatenate,
    natural_order,
    select,
    unscaled,
)
from .convs import ChannelScale, Conv, dense_conv
from .fold import folded_chain, norm_affine, read_conv
from .forms import Form
from .resize import concatenated, expand, has_factor, means, size_of
from .weighting import Attention, factors_of, weights_of

# The order of a mask: a single channel.
_MASK = natural_order(1)


class Masked(nn.Module):
    """A map times its softmax mask over all positions.

    Args:
        conv: The trained network's convolution to a single channel.
        half: Order of the map, seen as the half that the mask is computed from.
        form: Form of the network.
    """

    def __init__(self, conv: nn.Module, half: ChannelOrder, form: Form) -> None:
        super().__init__()
        self.logits = dense_conv(read_conv(conv), half, _MASK)
        # One copy of the mask for each channel, where it cannot be broadcast.
        self.copies: nn.Module = nn.Identity()
        if form.expands:
            ones = torch.ones(half.size, 1, 1, 1, dtype=torch.float64)
            self.copies = Conv(ones, torch.zeros(half.size))
        self.products = form.halves

    def mask(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the mask (N, 1, H, W)."""
        return self._flat_mask(x).view(-1, 1, *x.shape[2:])

    def _flat_mask(self, x: Tensor) -> Tensor:
        if self.products:
            # The bias is the same at all positions.
            logits = self.logits.weight.flatten(1)[None] @ x.flatten(2)
        else:
            logits = self.logits(x).flatten(2)
        return logits.softmax(dim=2)

    def total(self, x: Tensor) -> Tensor:
        """Sum (N, C, H, W) times the mask over all positions: (N, C, 1, 1)."""
        if self.products:
            return (x.flatten(2) @ self._flat_mask(x).transpose(1, 2))[..., None]
        return means([self(x)]) * (x.shape[2] * x.shape[3])

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        return x * self.copies(self.mask(x))


class DenseContext(nn.Module):
    """Weights of all branches at the lowest resolution, from masked sums.

    Args:
        module: The trained network's.
        halves: Orders of the branch maps, seen as the halves that are weighted.
        form: Form of the network.
    """

    def __init__(
        self,
        module: DenseContextModeling,
        halves: Sequence[ChannelOrder],
        form: Form,
    ) -> None:
        super().__init__()
        self.even_sizes = form.even_sizes
        into, outs = weights_of(halves, form)
        self.masks = nn.ModuleList(
            Masked(conv, half, form)
            for conv, half in zip(module.conv_mask, halves[:-1])
        )
        self.official = module.pooling == "official"
        if self.official:
            # What it computes depends on the order of the channels in memory.
            for k, half in enumerate(halves):
                self.register_buffer(f"positions{k}", half.positions)
            into = concatenate([half.take(half.positions) for half in halves])
        squeeze, excite = folded_chain(module.channel_attention)
        self.attention = Attention(squeeze, excite, into, outs, form)

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Map branch maps (N, C_i, H_i, W_i) to maps of weights (N, C, h, w)."""
        size = size_of(xs[-1])
        pooled = [
            self._pool(k, x, masked, size, factor)
            for k, (x, masked, factor) in enumerate(zip(xs, self.masks, factors_of(xs)))
        ]
        lowest = self._ordered(len(xs) - 1, xs[-1])
        return self.attention(concatenated([*pooled, lowest]))

    def _ordered(self, k: int, x: Tensor) -> Tensor:
        if not self.official:
            return x
        return x.index_select(1, getattr(self, f"positions{k}")).contiguous()

    def _pool(
        self, k: int, x: Tensor, masked: Any, size: tuple[int, int], factor: int
    ) -> Tensor:
        if self.official:
            return official_sums(self._ordered(k, x), masked.mask(x), size)
        if self.even_sizes or has_factor(x, size, factor):
            return F.avg_pool2d(masked(x), factor) * factor**2
        return window_sums(x, masked.mask(x), size)


class GlobalContext(nn.Module):
    """One weight for each channel from a masked sum, then scale and bias.

    Args:
        module: The trained network's.
        half: Order of the map, seen as the half that is weighted. Other positions
            pass unchanged.
        form: Form of the network.
    """

    def __init__(
        self, module: GlobalContextModeling, half: ChannelOrder, form: Form
    ) -> None:
        super().__init__()
        self.form = form
        self.masked = Masked(module.conv_mask, half, form)
        squeeze, excite = folded_chain(module.channel_attention)
        outs = [unscaled(half.channel)]
        self.attention = Attention(squeeze, excite, half, outs, form)
        scale, bias = norm_affine(module.bn)
        scale = torch.where(half.channel == NONE, 1.0, select(scale, half.channel))
        bias = select(bias, half.channel) * half.scale
        self.affine = ChannelScale(scale, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        (weight,) = self.attention(self.masked.total(x))
        if self.form.expands:
            return self.affine(x * expand(weight, size_of(x), self.form))
        scale, bias = self.affine.as_vectors()
        return torch.addcmul(bias, x, weight * scale)
