"""Exchange across resolutions at the end of a high-resolution module."""

from __future__ import annotations

import logging

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor, nn

from .resolution_paths import ConvStep, downsampling_path, pointwise_path


def upsample_nearest(x: Tensor, like: Tensor, factor: int) -> Tensor:
    """Repeat values up to the size of ``like``."""
    return F.interpolate(x, size=like.shape[-2:], mode="nearest")


def upsample_bilinear(x: Tensor, like: Tensor, factor: int) -> Tensor:
    """Interpolate by ``factor``, then to the size of ``like`` where that differs.

    Two steps, as MMSegmentation's HRNet does it, so that maps of sizes that are
    not multiples of ``factor`` agree with it too.
    """
    height, width = x.shape[-2:]
    for size in ((height * factor, width * factor), like.shape[-2:]):
        if x.shape[-2:] != torch.Size(size):
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
    return x


UPSAMPLING = {"nearest": upsample_nearest, "bilinear": upsample_bilinear}


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


class Fusion(nn.ModuleList):
    """Sum over all branches at each branch's resolution, as in HRNet.

    ``z_i = relu(sum_j f_ij(x_j))``, where ``f_ii`` is the identity, ``f_ij`` with
    j > i a 1x1 convolution and upsampling, with j < i a chain of stride-2 steps
    (HRNet, section 3.2, Fig. 2). Each path is computed once.

    Args:
        step: One downsampling step, of :mod:`.resolution_paths`.
        channels: Widths of the branches.
        outputs: Indices of the branches to compute; only their paths exist.
        upsampling: Key of ``UPSAMPLING``.
        conv_cfg: Config of the convolution layers.
        norm_cfg: Config of the normalisation layers.
    """

    # How often the path from branch 0 counts in each sum.
    first_factor = 1
    # Whether the sum of branch 0 enters the others.
    carries_first = False

    def __init__(
        self,
        step: ConvStep,
        channels: tuple[int, ...],
        outputs: tuple[int, ...],
        upsampling: str = "nearest",
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        self.outputs = outputs
        self.upsample = UPSAMPLING[upsampling]
        rows = set(outputs) | ({0} if self.carries_first else set())
        cfgs = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)

        def path(i: int, j: int) -> nn.Module:
            if i == j:
                return nn.Identity()
            if j > i:
                return pointwise_path(channels[j], channels[i], **cfgs)
            return downsampling_path(
                step, channels[j], channels[i], i - j, last_relu=False, **cfgs
            )

        for i in range(len(channels)):
            columns = range(len(channels)) if i in rows else ()
            self.append(nn.ModuleList(path(i, j) for j in columns))

    def carry(self, first: Tensor, total: Tensor, activated: Tensor) -> Tensor:
        """What the other branches see of branch 0.

        Args:
            first: ``x_0``, as it came in.
            total: ``s_0``, its sum.
            activated: ``z_0 = relu(s_0)``.
        """
        return first

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Map all branch maps to those of ``outputs``, in that order."""
        xs = list(xs)
        fused = {}
        for i, row in enumerate(self):
            if len(row) == 0:
                continue
            total = self._sum(i, row, xs)
            fused[i] = F.relu(total)
            if i == 0:
                xs[0] = self.carry(xs[0], total, fused[0])
        return [fused[i] for i in self.outputs]

    def _sum(self, i: int, row: nn.ModuleList, xs: list[Tensor]) -> Tensor:
        total = row[0](xs[0])
        if self.first_factor != 1:
            total = total * self.first_factor
        for j in range(1, len(xs)):
            term = row[j](xs[j])
            if j > i:
                term = self.upsample(term, xs[i], 2 ** (j - i))
            total = total + term
        return total

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        # Checkpoints of networks that compute every branch stay loadable.
        unused = [f"{prefix}{i}." for i, row in enumerate(self) if len(row) == 0]
        if unused:
            drop_unused_keys(state_dict, unused, prefix.rstrip("."))
        super()._load_from_state_dict(state_dict, prefix, *args)


class LiteFusion(Fusion):
    """The fusion that the released Lite-HRNet computes.

    Branch 0 counts twice, and the other branches see its sum instead of its
    input: ``s_0 = 2 x_0 + sum_j f_0j(x_j)`` and, for i > 0,
    ``s_i = 2 f_i0(s_0) + x_i + sum_j f_ij(x_j)``; ``z_i = relu(s_i)``. The
    paper's Fig. 2 shows HRNet's sum; all published weights are of this one.
    """

    first_factor = 2
    carries_first = True

    def carry(self, first: Tensor, total: Tensor, activated: Tensor) -> Tensor:
        """What the other branches see of branch 0: its sum."""
        return total


class DiteFusion(LiteFusion):
    """The fusion that the released Dite-HRNet computes.

    As :class:`LiteFusion`, but the other branches see ``relu(s_0)``.
    """

    def carry(self, first: Tensor, total: Tensor, activated: Tensor) -> Tensor:
        """What the other branches see of branch 0: its activated sum."""
        return activated
