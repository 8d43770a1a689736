"""Stand in for ``mmcv._ext``, the compiled operators of mmcv 2.1.

For mmcv-lite, which has all of ``mmcv.ops`` but them; can go when mmcv has wheels for
the current PyTorch. torchvision's operators take their place, on the CPU and on GPUs:
non-maximum suppression, RoIAlign (average), deformable convolution with and without
modulation. The focal loss and multi-scale deformable attention are PyTorch's functions.
All other operators can be imported, and raise when they are called.

Names and arguments are those of mmcv's calls: an operator writes into the tensors that
it is given for its results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import torch
import torch.nn.functional as F
import torchvision.ops  # noqa: F401  Registers torch.ops.torchvision.
from torch import Tensor

tv = torch.ops.torchvision


class Missing:
    """An operator that is not there.

    Args:
        name: Its name in mmcv.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Say so.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            f"mmcv's operator {self.name} is not there: mmcv-lite has no compiled "
            "operators, and torchvision none in its place. Install mmcv 2.1.0 with its "
            "operators, on PyTorch 2.1: `make env STACK=reference`, or see "
            "docs/install.md"
        )


def __getattr__(name: str) -> Callable:
    if name.startswith("__"):
        raise AttributeError(name)
    return Missing(name)


def get_compiler_version() -> str:
    """Tell in MMEngine's log what the operators are."""
    return f"none, operators of torchvision {torchvision.__version__}"


get_compiling_cuda_version = get_compiler_version


def nms(bboxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Suppress boxes that overlap a better one.

    Args:
        bboxes: Boxes (N, 4): x1, y1, x2, y2.
        scores: Their scores (N,).
        iou_threshold: Overlap above which a box is suppressed.
        offset: 1 if x2 and y2 are the last pixels of a box, 0 if they are its border.

    Returns:
        Indices of those that stay, the best first.
    """
    borders = bboxes.float() + bboxes.new_tensor([0, 0, offset, offset])
    return tv.nms(borders, scores.float(), iou_threshold)


def _pooling(options: dict[str, Any]) -> tuple[list, list]:
    """What torchvision's two operators take before and after the map's shape."""
    if options["pool_mode"] != 1:
        Missing("roi_align with pool_mode='max'")()
    names = ("spatial_scale", "aligned_height", "aligned_width")
    rest = ("sampling_ratio", "aligned")
    return [options[name] for name in names], [options[name] for name in rest]


def roi_align_forward(
    input: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor,
    **options: Any,
) -> None:  # fmt: skip
    """Pool regions (R, 5) of a map (N, C, H, W) into ``output`` (R, C, h, w)."""
    where, last = _pooling(options)
    output.copy_(tv.roi_align(input, rois, *where, *last))


def roi_align_backward(
    grad_output: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor,
    grad_input: Tensor, **options: Any,
) -> None:  # fmt: skip
    """Write the gradient of :func:`roi_align_forward`'s map into ``grad_input``."""
    where, last = _pooling(options)
    grad_input.copy_(
        tv._roi_align_backward(grad_output, rois, *where, *grad_input.shape, *last)
    )


#: Names of stride, padding, dilation and groups in mmcv's two deformable convolutions,
#: in the order in which torchvision's takes them.
DEFORM = (
    "dH", "dW", "padH", "padW", "dilationH", "dilationW", "group", "deformable_group",
)  # fmt: skip
MODULATED = (
    "stride_h", "stride_w", "pad_h", "pad_w", "dilation_h", "dilation_w", "group",
    "deformable_group",
)  # fmt: skip


def _deform_inputs(
    input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None = None
) -> list[Tensor]:
    """The tensors that torchvision's operator and its gradient take.

    Theirs have a mask and a bias always; a bias of zeros is added, the real one later.
    """
    mask = input.new_zeros(len(input), 1) if mask is None else mask
    bias = input.new_zeros(len(weight))
    return [x.contiguous() for x in (input, weight, offset, mask, bias)]


def deform_conv_forward(
    input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, *buffers: Tensor,
    **options: Any,
) -> None:  # fmt: skip
    """Convolve (N, C, H, W) at positions that ``offset`` (N, 2 G k k, h, w) shifts."""
    geometry = [options[name] for name in DEFORM]
    inputs = _deform_inputs(input, weight, offset)
    output.copy_(tv.deform_conv2d(*inputs, *geometry, False))


def _deform_conv_backward(
    grad: Tensor, input: Tensor, weight: Tensor, offset: Tensor, options: dict
) -> tuple[Tensor, ...]:
    geometry = [options[name] for name in DEFORM]
    inputs = _deform_inputs(input, weight, offset)
    return tv._deform_conv2d_backward(grad.contiguous(), *inputs, *geometry, False)


def deform_conv_backward_input(
    input: Tensor, offset: Tensor, grad_output: Tensor, grad_input: Tensor,
    grad_offset: Tensor, weight: Tensor, *buffers: Tensor, **options: Any,
) -> None:  # fmt: skip
    """Write the gradients of :func:`deform_conv_forward`'s map and offsets."""
    grads = _deform_conv_backward(grad_output, input, weight, offset, options)
    grad_input.copy_(grads[0])
    grad_offset.copy_(grads[2])


def deform_conv_backward_parameters(
    input: Tensor, offset: Tensor, grad_output: Tensor, grad_weight: Tensor,
    *buffers: Tensor, scale: float, **options: Any,
) -> None:  # fmt: skip
    """Add ``scale`` times the gradient of :func:`deform_conv_forward`'s kernel."""
    # The kernel's gradient does not depend on the kernel, which is not given here.
    grads = _deform_conv_backward(grad_output, input, grad_weight, offset, options)
    grad_weight.add_(grads[1], alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor,
    mask: Tensor, output: Tensor, columns: Tensor, *, with_bias: bool, **options: Any,
) -> None:  # fmt: skip
    """Convolve at shifted positions that ``mask`` (N, G k k, h, w) weighs."""
    geometry = [options[name] for name in MODULATED]
    *inputs, no_bias = _deform_inputs(input, weight, offset, mask)
    result = tv.deform_conv2d(*inputs, bias if with_bias else no_bias, *geometry, True)
    output.copy_(result.view_as(output))


def modulated_deform_conv_backward(
    input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor,
    mask: Tensor, columns: Tensor, grad_input: Tensor, grad_weight: Tensor,
    grad_bias: Tensor, grad_offset: Tensor, grad_mask: Tensor, grad_output: Tensor,
    *, with_bias: bool, **options: Any,
) -> None:  # fmt: skip
    """Write the gradients of :func:`modulated_deform_conv_forward`."""
    geometry = [options[name] for name in MODULATED]
    inputs = _deform_inputs(input, weight, offset, mask)
    grads = tv._deform_conv2d_backward(
        grad_output.contiguous(), *inputs, *geometry, True
    )
    results = [grad_input, grad_weight, grad_offset, grad_mask]
    if with_bias:
        results.append(grad_bias)
    for result, grad in zip(results, grads):
        result.copy_(grad)


def _gradients(
    function: Callable[..., Tensor], inputs: list[Tensor], grad: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Differentiate a function that PyTorch can, for inputs that it does not track."""
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_() for x in inputs]
        result = function(*leaves)
    grad = torch.ones_like(result) if grad is None else grad
    return torch.autograd.grad(result, leaves, grad)


def _sigmoid_focal_loss(
    logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    classes = logits.shape[1]
    positive = F.one_hot(target, classes + 1)[:, :classes].bool()
    p = logits.sigmoid()
    loss = torch.where(
        positive,
        -alpha * (1 - p) ** gamma * F.logsigmoid(logits),
        -(1 - alpha) * p**gamma * F.logsigmoid(-logits),
    )
    return loss * weight[target, None] if weight.numel() else loss


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, **options: float
) -> None:
    """Compute the focal loss of logits (N, C) for classes (N,), C for none."""
    output.copy_(_sigmoid_focal_loss(input, target, weight, **options))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, **options: float
) -> None:
    """Write the gradient of the sum of :func:`sigmoid_focal_loss_forward`."""
    (grad,) = _gradients(
        lambda logits: _sigmoid_focal_loss(logits, target, weight, **options), [input]
    )
    grad_input.copy_(grad)


def ms_deform_attn_forward(
    value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, weights: Tensor,
    *, im2col_step: int,
) -> Tensor:  # fmt: skip
    """Attend to some positions of several maps; mmcv asks for it on GPUs only."""
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    return multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)


def ms_deform_attn_backward(
    value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, weights: Tensor,
    grad_output: Tensor, grad_value: Tensor, grad_locations: Tensor,
    grad_weights: Tensor, *, im2col_step: int,
) -> None:  # fmt: skip
    """Write the gradients of :func:`ms_deform_attn_forward`."""
    grads = _gradients(
        lambda value, *others: ms_deform_attn_forward(
            value, shapes, starts, *others, im2col_step=im2col_step
        ),
        [value, locations, weights],
        grad_output,
    )
    for result, grad in zip((grad_value, grad_locations, grad_weights), grads):
        result.copy_(grad)
