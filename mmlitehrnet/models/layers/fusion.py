"""Exchange across resolutions at the end of a high-resolution module."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.fx
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor, nn

from .resolution_paths import ConvStep, downsampling_path, pointwise_path
from .tracing import size_of, upsample

if TYPE_CHECKING:
    from ..deployed import ChannelOrder, Form


def upsample_bilinear(x: Tensor, like: Tensor, factor: int) -> Tensor:
    """Interpolate by ``factor``, then to the size of ``like`` where that differs.

    Two steps, as MMSegmentation's HRNet does it, so that maps of sizes that are
    not multiples of ``factor`` agree with it too.
    """
    height, width = size_of(x)
    for size in ((height * factor, width * factor), size_of(like)):
        if size_of(x) != size:
            x = upsample(x, size, "bilinear", align_corners=False)
    return x


def add_upsampled(maps: Sequence[Tensor]) -> Tensor:
    """Add maps of ever lower resolutions, upsampled (nearest) to the first one's.

    Where each size is twice the next, upsampling by a factor is that factor's steps of
    two, and what comes from further down is added before the next step: only one map
    is upsampled to each resolution.
    """
    sizes = [size_of(x) for x in maps]
    if sizes[:-1] != [(2 * h, 2 * w) for h, w in sizes[1:]]:
        terms = [upsample(x, sizes[0]) for x in maps[1:]]
        total = terms[0]
        for term in [*terms[1:], maps[0]]:
            total = total.add_(term)
        return total
    *higher, total = maps
    for x in reversed(higher):
        total = upsample(total, size_of(x)).add_(x)
    return total


# They ask for sizes: one node in a graph of torch.fx.
torch.fx.wrap("upsample_bilinear")
torch.fx.wrap("add_upsampled")
#: How fusions can upsample.
UPSAMPLING = ("nearest", "bilinear")


def drop_unused_keys(state_dict: dict, prefixes: list[str], where: str) -> None:
    """Take the weights of parts that this network does not have out of a checkpoint.

    Args:
        state_dict: Loaded weights; changed in place.
        prefixes: How the names of the unused weights begin.
        where: Name of the module, for the log.
    """
    unused = [key for key in state_dict if key.startswith(tuple(prefixes))]
    for key in unused:
        del state_dict[key]
    if unused:
        print_log(
            f"{where}: {len(unused)} tensors of the checkpoint are left out: no map "
            "named by out_indices depends on them.",
            logger="current",
            level=logging.INFO,
        )


class FirstBranch(NamedTuple):
    """How a fusion treats branch 0, that of the highest resolution.

    Attributes:
        weight: How often the term of branch 0 counts in each sum.
        seen: What the sums of the other branches see of branch 0: its 'input'
            x_0, its 'sum' s_0, or its 'output' z_0 = relu(s_0).
    """

    weight: int
    seen: str

    def select(self, x: Tensor, total: Tensor, output: Tensor) -> Tensor:
        """Choose what the other branches see, of x_0, s_0 and z_0."""
        return dict(input=x, sum=total, output=output)[self.seen]


#: The paper's sum.
HRNET = FirstBranch(1, "input")
#: What the released code of Lite-HRNet computes, and all its published weights are
#: of, though the paper's Fig. 2 shows HRNet's sum.
LITE_HRNET = FirstBranch(2, "sum")
#: What the released code of Dite-HRNet computes.
DITE_HRNET = FirstBranch(2, "output")


class Fusion(nn.ModuleList):
    """Sum over all branches at each branch's resolution, and ReLU.

    In HRNet (section 3.2, Fig. 2) ``z_i = relu(sum_j f_ij(x_j))``, where ``f_ii`` is
    the identity, ``f_ij`` with j > i a 1x1 convolution and upsampling, with j < i a
    chain of stride-2 steps. Lite-HRNet and Dite-HRNet count branch 0 twice, and let
    the other branches see more of it than its input: ``s_0 = 2 x_0 + sum_j
    f_0j(x_j)`` and, for i > 0, ``s_i = 2 f_i0(h) + x_i + sum_j f_ij(x_j)``, with
    h = s_0 or h = relu(s_0); see :class:`FirstBranch`. Each path is computed once.

    Args:
        rows: For each branch the paths to it, none where it is not computed.
        outputs: Indices of the branches that are given out.
        first_branch: How branch 0 is treated: ``HRNET``, ``LITE_HRNET`` or
            ``DITE_HRNET``.
        upsampling: One of ``UPSAMPLING``.
    """

    def __init__(
        self,
        rows: Iterable[nn.ModuleList],
        outputs: Sequence[int],
        first_branch: FirstBranch = HRNET,
        upsampling: str = "nearest",
    ) -> None:
        super().__init__(rows)
        self.outputs = tuple(outputs)
        self.first_branch = first_branch
        self.upsampling = upsampling

    @classmethod
    def build(
        cls,
        step: ConvStep,
        channels: Sequence[int],
        outputs: Sequence[int],
        first_branch: FirstBranch = HRNET,
        upsampling: str = "nearest",
        **cfgs: Any,
    ) -> Fusion:
        """Build the fusion of branches of given widths.

        Args:
            step: One downsampling step, of :mod:`.resolution_paths`.
            channels: Widths of the branches.
            outputs: Indices of the branches to compute; only their paths exist.
            first_branch: How branch 0 is treated.
            upsampling: One of ``UPSAMPLING``.
            **cfgs: ``conv_cfg`` and ``norm_cfg``, configs of the layers.
        """
        computed = {*outputs} if first_branch.seen == "input" else {0, *outputs}

        def path(i: int, j: int) -> nn.Module:
            if i == j:
                return nn.Identity()
            if j > i:
                return pointwise_path(channels[j], channels[i], **cfgs)
            return downsampling_path(
                step, channels[j], channels[i], i - j, last_relu=False, **cfgs
            )

        every = range(len(channels))
        rows = [[path(i, j) for j in every] if i in computed else [] for i in every]
        return cls(map(nn.ModuleList, rows), outputs, first_branch, upsampling)

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Map all branch maps to those of ``outputs``, in that order."""
        first, fused = xs[0], {}
        for i, paths in enumerate(self.rows()):
            if len(paths) == 0:
                continue
            total = self._sum(i, paths, [first, *xs[1:]])
            fused[i] = F.relu(total)
            if i == 0:
                first = self.first_branch.select(xs[0], total, fused[0])
        return [fused[i] for i in self.outputs]

    def rows(self) -> list[nn.ModuleList]:
        """For each branch the paths to it, none where it is not computed."""
        return [paths for paths in self if isinstance(paths, nn.ModuleList)]

    def _sum(self, i: int, paths: nn.ModuleList, xs: list[Tensor]) -> Tensor:
        total, weight = paths[0](xs[0]), self.first_branch.weight
        for j in range(1, len(xs)):
            term = paths[j](xs[j])
            if j > i:
                term = self._upsample(term, xs[i], 2 ** (j - i))
            total, weight = term + total * weight if weight > 1 else term + total, 1
        return total if weight == 1 else total * weight  # of a single branch

    def _upsample(self, x: Tensor, like: Tensor, factor: int) -> Tensor:
        if self.upsampling == "bilinear":
            return upsample_bilinear(x, like, factor)
        return upsample(x, size_of(like))

    def deploy(
        self, orders: list[ChannelOrder], form: Form
    ) -> tuple[DeployedFusion, list[ChannelOrder]]:
        """Inference form, and the orders of what comes out."""
        weight, seen = self.first_branch
        first, *others = orders
        # 2 x_0 + ... is computed as x_0 + .../2, and its readers take it double.
        results = [first._replace(scale=first.scale / weight), *others]
        given = [first if seen == "input" else results[0], *others]
        factors = [weight] + [1] * len(others)
        rows = [
            [
                path if i == j else form.chain(path, order, results[i], factor)[0]
                for j, (path, order, factor) in enumerate(zip(paths, given, factors))
            ]
            for i, paths in enumerate(self.rows())
        ]
        fusion = DeployedFusion(
            map(nn.ModuleList, rows),
            self.outputs,
            FirstBranch(1, seen),
            self.upsampling,
        )
        return fusion, [results[i] for i in self.outputs]

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        # Checkpoints of networks that compute every branch stay loadable.
        unused = [
            f"{prefix}{i}." for i, paths in enumerate(self.rows()) if len(paths) == 0
        ]
        drop_unused_keys(state_dict, unused, prefix.rstrip("."))
        super()._load_from_state_dict(state_dict, prefix, *args)


class DeployedFusion(Fusion):
    """A fusion that upsamples one map to each resolution.

    After the branch maps may come what is to be added to branch 0, of one position.
    """

    def _sum(self, i: int, paths: nn.ModuleList, xs: list[Tensor]) -> Tensor:
        terms = [path(x) for path, x in zip(paths, xs)]
        total, lower = terms[i], terms[i + 1 :]
        if i == 0 and len(xs) > len(paths):
            lower[-1] = lower[-1] + upsample(xs[-1], size_of(lower[-1]))
        if lower and self.upsampling == "nearest":
            total = add_upsampled([total, *lower])
        elif lower:
            for k, term in enumerate(lower):
                total = total + self._upsample(term, xs[i], 2 ** (k + 1))
        for term in terms[:i]:
            total = term.add_(total)
        return total
