"""Results of mmcv's operators on fixed inputs.

On the reference stack, whose mmcv is compiled, this makes the file that the tests
compare the stand-ins with:

    python -m tests.compat.mmcv_operators tests/data/mmcv_operators.npz
"""

import sys
from collections.abc import Iterator

import numpy as np
import torch
from mmcv import ops
from torch import Tensor

CONVOLUTIONS = {
    "same": dict(padding=1),
    "strided": dict(padding=2, stride=2, dilation=2),
    "grouped": dict(padding=1, groups=2, deform_groups=2),
}
SIDE = 9


class Inputs:
    """Random numbers that are the same in every version of PyTorch."""

    def __init__(self) -> None:
        self.rng = np.random.RandomState(0)

    def normal(self, *shape: int) -> Tensor:
        return torch.from_numpy(self.rng.randn(*shape).astype("float32"))

    def uniform(self, *shape: int) -> Tensor:
        return torch.from_numpy(self.rng.rand(*shape).astype("float32"))


def differentiated(name: str, output: Tensor, **inputs: Tensor) -> Iterator[tuple]:
    """An output, and the gradients of the sum of its squares."""
    yield name, output
    grads = torch.autograd.grad((output * output).sum(), list(inputs.values()))
    yield from zip((f"{name}_gradient_{part}" for part in inputs), grads)


def boxes(draw: Inputs) -> Iterator[tuple]:
    found = draw.uniform(200, 4) * 50
    found[:, 2:] += found[:, :2] + 5
    scores, classes = draw.uniform(200), (draw.uniform(200) * 5).long()
    for offset in (0, 1):
        yield f"nms_offset{offset}", ops.nms(found, scores, 0.5, offset=offset)[1]
    few = dict(score_threshold=0.3, max_num=50)
    yield "nms_best", ops.nms(found, scores, 0.5, **few)[1]
    cfg = dict(type="nms", iou_threshold=0.6)
    for name, agnostic, more in (
        ("by_class", False, {}),
        ("agnostic", True, {}),
        ("split", False, dict(split_thr=100)),
    ):
        kept, _ = ops.batched_nms(found, scores, classes, cfg | more, agnostic)
        yield f"nms_{name}", kept


def regions(draw: Inputs) -> Iterator[tuple]:
    x = draw.normal(2, 4, SIDE, SIDE).requires_grad_()
    corners = draw.uniform(10, 2) * 12
    sizes = draw.uniform(10, 2) * 10 + 1
    rois = torch.cat([(draw.uniform(10, 1) * 2).floor(), corners, corners + sizes], 1)
    for aligned in (True, False):
        for samples in (0, 2):
            y = ops.roi_align(x, rois, (3, 4), 0.5, samples, "avg", aligned)
            name = f"roi_align_{'aligned' if aligned else 'rounded'}_{samples}"
            yield from differentiated(name, y, x=x)


def convolutions(draw: Inputs) -> Iterator[tuple]:
    x = draw.normal(2, 4, SIDE, SIDE).requires_grad_()
    for name, options in CONVOLUTIONS.items():
        side = (SIDE + 1) // options.get("stride", 1)
        side = side if "stride" in options else SIDE
        groups = options.get("deform_groups", 1)
        offset = draw.normal(2, 18 * groups, side, side).requires_grad_()
        mask = draw.uniform(2, 9 * groups, side, side).requires_grad_()
        kernel = draw.normal(6, 4 // options.get("groups", 1), 3, 3)
        layer = ops.DeformConv2d(4, 6, 3, **options)
        layer.weight.data.copy_(kernel)
        y, inputs = layer(x, offset), dict(x=x, offset=offset)
        yield from differentiated(f"deform_{name}", y, **inputs, weight=layer.weight)
        modulated = ops.ModulatedDeformConv2d(4, 6, 3, **options)
        modulated.weight.data.copy_(kernel)
        modulated.bias.data.copy_(draw.normal(6))
        y = modulated(x, offset, mask)
        inputs |= dict(modulated.named_parameters(), mask=mask)
        yield from differentiated(f"modulated_{name}", y, **inputs)


def attention(draw: Inputs) -> Iterator[tuple]:
    layer = ops.MultiScaleDeformableAttention(16, 2, 2, 3, dropout=0)
    for parameter in layer.parameters():
        parameter.data.copy_(draw.normal(*parameter.shape) * 0.2)
    query = draw.normal(5, 2, 16).requires_grad_()
    value = draw.normal(64 + 16, 2, 16).requires_grad_()
    y = layer(
        query,
        value=value,
        reference_points=draw.uniform(2, 5, 2, 2),
        spatial_shapes=torch.tensor([[8, 8], [4, 4]]),
        level_start_index=torch.tensor([0, 64]),
    )
    yield from differentiated("attention", y, query=query, value=value)


def results() -> dict[str, np.ndarray]:
    """All results by name."""
    torch.set_num_threads(1)
    draw = Inputs()
    parts = (boxes, regions, convolutions, attention)
    return {
        name: value.detach().numpy() for part in parts for name, value in part(draw)
    }


if __name__ == "__main__":
    np.savez_compressed(sys.argv[1], **results())
