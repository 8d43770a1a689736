"""Attentions of several maps, computed together in training.

An attention is an average over all positions and two products with small matrices, on
which a GPU spends less time than on being asked for them. In training, those of all
branches of a block are therefore one: their matrices are blocks of a larger one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from .norm import BatchNorm2d
from .tracing import is_eager

#: What attentions are made of; anything else was put in by others.
_PARTS = {
    nn.AdaptiveAvgPool2d, nn.Conv2d, nn.ReLU, nn.Sequential, nn.Sigmoid,
    BatchNorm2d, ConvModule,
}  # fmt: skip


class _JointAttention(torch.autograd.Function):
    """Average, matrix, normalisation or shift, ReLU, matrix with shift, sigmoid.

    After the maps come the first and the second kernels of all attentions, their first
    and second shifts, and with normalisation its scales. With ``multiply`` the maps
    times their weights come out.
    """

    @staticmethod
    def forward(
        ctx: Any,
        num_maps: int,
        multiply: bool,
        norms: list[Any],
        *tensors: Any,
    ) -> Tensor | tuple[Tensor, ...]:
        xs, parameters = tensors[:num_maps], tensors[num_maps:]
        k = len(parameters) // (5 if norms else 4)
        kernels, vectors = parameters[: 2 * k], parameters[2 * k :]
        w1 = torch.block_diag(*(w.flatten(1) for w in kernels[:k]))
        w2 = torch.block_diag(*(w.flatten(1) for w in kernels[k:]))
        statistics = [n.running_mean for n in norms] + [n.running_var for n in norms]
        shift1, shift2, *more = torch.cat([*vectors, *statistics]).split(
            [len(w1), len(w2)] + [len(w1)] * (3 if norms else 0)
        )
        if all(x.shape[2:].numel() == 1 for x in xs):  # They are pooled.
            pooled = torch.cat(xs, dim=1).flatten(1).to(w1.dtype)
        else:
            pooled = _reduce(torch.mean, xs, w1.dtype)
        if norms:
            z, norm = pooled @ w1.t(), norms[0]
            hidden, *saved = torch.ops.aten.native_batch_norm(
                z, more[0], shift1, *more[1:], True, norm.momentum, norm.eps
            )
            widths = [n.num_features for n in norms]
            updated = [part for s in more[1:] for part in s.split(widths)]
            torch._foreach_copy_(statistics, updated)
            more = [z, *more, *saved]
            ctx.eps = norm.eps
        else:
            hidden = torch.addmm(shift1, pooled, w1.t())
        hidden = hidden.relu_()
        weights = torch.addmm(shift2, hidden, w2.t()).sigmoid_()
        ctx.dtype, ctx.shapes = xs[0].dtype, [x.shape for x in xs]
        ctx.kernels = [w.shape for w in kernels]
        ctx.multiplied = len(xs) if multiply else 0
        xs = xs[: ctx.multiplied]
        ctx.save_for_backward(*xs, pooled, hidden, weights, w1, w2, *more)
        weights = weights.to(ctx.dtype)[..., None, None]
        if multiply:
            return tuple(torch._foreach_mul(xs, _columns(weights, ctx.shapes)))
        return weights

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "create_graph=True: gradients of attentions that are computed together "
                "cannot be differentiated again. A forward hook on one of a block's "
                "attentions lets it compute them one by one"
            )
        saved = ctx.saved_tensors  # Under activation checkpointing, there once only.
        xs = saved[: ctx.multiplied]
        pooled, hidden, weights, w1, w2, *more = saved[len(xs) :]
        with _without_autocast(pooled):
            if xs:
                products = torch._foreach_mul(xs, grads)
                grad = _reduce(torch.sum, products, weights.dtype)
            else:
                grad = grads[0].flatten(1).to(weights.dtype)
            grad = torch.ops.aten.sigmoid_backward(grad, weights)
            grad_w2, shift2 = grad.t() @ hidden, grad.sum(0)
            grad = torch.ops.aten.threshold_backward(grad @ w2, hidden, 0)
            if more:
                z, scale, mean, var, *batch = more
                grad, grad_scale, shift1 = torch.ops.aten.native_batch_norm_backward(
                    grad, z, scale, mean, var, *batch, True, ctx.eps, (True,) * 3
                )
            else:
                shift1 = grad.sum(0)
            grad_w1, grad = grad.t() @ pooled, grad @ w1
        k = len(ctx.kernels) // 2
        kernels = [w1.new_empty(shape) for shape in ctx.kernels]
        blocks = [*_blocks(grad_w1, kernels[:k]), *_blocks(grad_w2, kernels[k:])]
        torch._foreach_copy_(kernels, blocks)
        reduced, widths = ([len(w) for w in kernels[i : i + k]] for i in (0, k))
        vectors = [*shift1.split(reduced), *shift2.split(widths)]
        vectors += grad_scale.split(reduced) if more else ()
        means = _columns(grad.to(ctx.dtype)[..., None, None], ctx.shapes)
        shares = [1 / shape[2:].numel() for shape in ctx.shapes]
        if xs:
            factors = _columns(weights.to(ctx.dtype)[..., None, None], ctx.shapes)
            maps = torch._foreach_mul(grads, factors)
            for total, mean, share in zip(maps, means, shares):
                total.add_(mean, alpha=share)
        else:
            maps = tuple(
                (mean if share == 1 else mean * share).expand(shape)
                for mean, share, shape in zip(means, shares, ctx.shapes)
            )
        return None, None, None, *maps, *kernels, *vectors


def _reduce(
    operator: Callable[..., Tensor], xs: Sequence[Tensor], dtype: torch.dtype
) -> Tensor:
    """Sum or average maps over all positions: their channels, one after the other."""
    pooled = xs[0].new_empty(len(xs[0]), sum(x.shape[1] for x in xs), dtype=dtype)
    for x, columns in zip(xs, _columns(pooled, [x.shape for x in xs])):
        operator(x, (2, 3), dtype=dtype, out=columns)
    return pooled


def _columns(matrix: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
    """Cut the channels of maps, one map's after the other's, out of a matrix."""
    return matrix.split([shape[1] for shape in shapes], dim=1)


def _blocks(matrix: Tensor, kernels: Sequence[Tensor]) -> Iterator[Tensor]:
    """Cut the diagonal blocks of 1x1 kernels out of a contiguous matrix."""
    offset, width = 0, matrix.shape[1]
    for kernel in kernels:
        yield matrix.as_strided(kernel.shape, (width, 1, 1, 1), offset)
        offset += kernel.shape[0] * width + kernel.shape[1]


def _without_autocast(x: Tensor) -> torch.autocast:
    """Compute with the numbers that the parameters are."""
    kind = "cpu" if x.is_meta else x.device.type  # Shapes alone have no such mode.
    return torch.autocast(kind, enabled=False)


def _has_hooks(module: nn.Module) -> bool:
    """Whether someone watches the module's calls or changes their results."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


def joint_attention(
    x: Tensor,
    attentions: Sequence[Any],
    kind: type[nn.Module],
    multiply: bool = False,
) -> Callable[[Sequence[Tensor]], Sequence[Tensor]] | None:
    """Find how several attentions are computed together, where they can be.

    They are computed one by one in evaluation, where the pass is traced or compiled,
    where parts were replaced or have hooks, and for other numbers than float32 and
    float64.

    Args:
        x: One of the block's maps.
        attentions: Modules of a 1x1 convolution, maybe batch normalisation, ReLU,
            a 1x1 convolution with bias, and a sigmoid, of averages over all positions.
        kind: Their class.
        multiply: Whether they multiply their maps by the weights.

    Returns:
        None, or a function. It takes maps (N, C_i, H_i, W_i), whose channels, one map
        after the other, are what the attentions take in, one after the other. It gives
        the weights (N, O_i, 1, 1) of each attention, or the weighted maps, equal to
        rounding to what its module gives. Their gradients cannot be differentiated
        again.
    """
    if not is_eager(x) or not torch.is_grad_enabled():
        return None
    if len(attentions) < 2 or len(x) == 1:  # One value has no variance.
        return None
    parts = [part for attention in attentions for part in attention.modules()]
    known = _PARTS | {kind}
    if any(type(p) not in known or not p.training or _has_hooks(p) for p in parts):
        return None
    convs = [part for part in parts if type(part) is nn.Conv2d]
    norms = [part for part in parts if type(part) is BatchNorm2d]
    if len(convs) != 2 * len(attentions) or len(norms) not in (0, len(attentions)):
        return None
    options = {(n.momentum, n.eps, n.num_batches_tracked is None) for n in norms}
    if norms and (len(options) > 1 or {None, True} & {*options.pop()}):
        return None
    first, second = convs[::2], convs[1::2]
    tensors = [conv.weight for conv in (*first, *second)]
    tensors += [part.bias for part in (*(norms or first), *second)]
    tensors += [norm.weight for norm in norms]
    dtypes = {None if tensor is None else tensor.dtype for tensor in tensors}
    if dtypes not in ({torch.float32}, {torch.float64}):
        return None

    def attend(xs: Sequence[Tensor]) -> Sequence[Tensor]:
        for norm in norms:
            norm.count_batch()
        with _without_autocast(x):
            weights = _JointAttention.apply(len(xs), multiply, norms, *xs, *tensors)
        widths = [conv.out_channels for conv in second]
        return weights if multiply else weights.split(widths, dim=1)

    return attend
