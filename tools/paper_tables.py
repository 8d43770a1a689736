"""The papers' tables of parameters and FLOPs, and what we measure beside them.

FLOPs are in the papers' "M" (:mod:`counting`). "Released" figures are
what the code that the authors released gives, its parts recombined for the ablations;
"printed" figures are the papers'.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor, nn

from counting import MEBI, call_on, count_parameters, paper_flops
from mmlitehrnet.models import backbones
from mmlitehrnet.models.backbones.high_resolution import HighResolutionNet

#: Joints of COCO and of MPII.
COCO, MPII = 17, 16


class PoseNetwork(nn.Module):
    """What the papers' pose tables measure: a backbone and a 1x1 convolution.

    Args:
        backbone: A backbone of this package.
        joints: Number of heatmaps K.
    """

    def __init__(self, backbone: HighResolutionNet, joints: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Conv2d(backbone.out_channels[0], joints, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to heatmaps (N, K, H / 4, W / 4)."""
        return self.head(self.backbone(x)[0])


class Setting(NamedTuple):
    """At what a network is measured.

    Attributes:
        height: Height of the input in pixels.
        width: Width of the input in pixels.
        joints: Number of heatmaps.
    """

    height: int
    width: int
    joints: int = COCO

    def __str__(self) -> str:
        """Size and joints, as ``256x192, K=17``."""
        return f"{self.height}x{self.width}, K={self.joints}"


SMALL = Setting(256, 192)
LARGE = Setting(384, 288)
SQUARE = Setting(256, 256)
# The papers' MPII figures are of 16 joints.
SQUARE_MPII = Setting(256, 256, MPII)


class PaperNetwork(NamedTuple):
    """A row of the papers' tables.

    Attributes:
        name: The paper's name for it.
        type: Class of the backbone.
        args: Arguments of the backbone.
        params: Parameters with 17 joints, by the released code.
        released: MFLOPs by the released code.
        printed: MFLOPs as printed in the paper.
    """

    name: str
    type: str
    args: dict
    params: int
    released: dict[Setting, float]
    printed: dict[Setting, float]


def _row(
    name: str,
    network: str,
    args: dict,
    params: int,
    small: tuple[float, float],
    square: tuple[float, float],
    large: float | None = None,
) -> PaperNetwork:
    printed = {SMALL: small[1], SQUARE_MPII: square[1]}
    if large is not None:
        printed[LARGE] = large
    released = {SMALL: small[0], SQUARE: square[0]}
    return PaperNetwork(name, network, args, params, released, printed)


# fmt: off
#: Name, class, arguments, parameters; (released, printed) at 256x192; at 256x256, where
#: the printed figure is of 16 joints; printed at 384x288.
NETWORKS: tuple[PaperNetwork, ...] = (
    _row("Small HRNet-W16", "SmallHRNet", dict(arch="w16"), 1284961,
         (551.67, 551.7), (735.55, 735.5), 1241.2),
    _row("Naive Lite-HRNet-18", "NaiveLiteHRNet", dict(arch="18"), 760365,
         (194.76, 194.8), (259.68, 259.6)),
    _row("Wider Naive Lite-HRNet-18", "NaiveLiteHRNet", dict(arch="wider_18"), 1318625,
         (311.05, 311.1), (414.74, 418.7)),
    _row("Wider Naive, one 1x1 conv dropped", "NaiveLiteHRNet",
         dict(arch="wider_18_drop1"), 1102305, (248.36, 248.4), (331.14, 331.0)),
    _row("Wider Naive, two 1x1 convs dropped", "NaiveLiteHRNet",
         dict(arch="wider_18_drop2"), 885985, (188.89, 188.9), (251.85, 251.7)),
    _row("Lite-HRNet-18", "LiteHRNet", dict(arch="18"), 1130769,
         (205.23, 205.2), (273.59, 273.4), 461.6),
    _row("Lite-HRNet-30", "LiteHRNet", dict(arch="30"), 1763717,
         (319.20, 319.2), (425.50, 425.3), 717.8),
    _row("Lite-HRNet-18, spatial weights only", "LiteHRNet", dict(arch="18_spatial"),
         994785, (190.71, 190.6), (254.22, 254.0)),
    _row("Lite-HRNet-18, cross-resolution weights only", "LiteHRNet",
         dict(arch="18_cross"), 1021969, (203.41, 203.5), (271.22, 271.1)),
    _row("Dite-HRNet-18", "DiteHRNet", dict(arch="18"), 1186933,
         (209.80, 209.8), (279.69, 279.5), 471.8),
    _row("Dite-HRNet-30", "DiteHRNet", dict(arch="30"), 1862549,
         (329.82, 329.8), (439.67, 439.5), 741.7),
    _row("Lite-HRNet-18 + ACM", "LiteHRNet", dict(arch="18_acm"), 1093985,
         (209.34, 210.6), (279.10, 280.6)),
    _row("Lite-HRNet-18 + DSC", "LiteHRNet", dict(arch="18_dsc"), 1221345,
         (209.27, 211.0), (278.95, 281.1)),
    _row("Lite-HRNet-18 + ACM + DSC", "LiteHRNet", dict(arch="18_acm_dsc"), 1184561,
         (213.38, 215.5), (284.46, 287.2)),
)

#: (groups, kernels) of Dite-HRNet-18's dynamic split convolutions, highest to lowest
#: resolution -> released MFLOPs at 256x192, parameters (Dite-HRNet, Table 5).
DITE_GROUPS_AND_KERNELS: dict[tuple[tuple, tuple], tuple[float, int]] = {
    ((1, 1, 1, 1), (1, 1, 1, 1)): (205.76, 1096357),
    ((1, 1, 1, 1), (4, 4, 2, 1)): (207.47, 1160669),
    ((1, 1, 1, 1), (1, 2, 4, 4)): (206.56, 1199653),
    ((1, 1, 1, 1), (4, 4, 4, 4)): (207.53, 1222309),
    ((1, 1, 2, 4), (1, 1, 1, 1)): (208.10, 1124517),
    ((1, 1, 2, 4), (4, 4, 2, 1)): (209.80, 1186933),
    ((1, 1, 2, 4), (1, 2, 4, 4)): (208.87, 1283589),
    ((1, 1, 2, 4), (4, 4, 4, 4)): (209.85, 1306245),
    ((4, 2, 1, 1), (1, 1, 1, 1)): (239.51, 1111717),
    ((4, 2, 1, 1), (4, 4, 2, 1)): (241.21, 1217789),
    ((4, 2, 1, 1), (1, 2, 4, 4)): (240.30, 1216965),
    ((4, 2, 1, 1), (4, 4, 4, 4)): (241.28, 1279429),
    ((4, 4, 4, 4), (1, 1, 1, 1)): (257.32, 1178277),
    ((4, 4, 4, 4), (4, 4, 2, 1)): (259.01, 1344837),
    ((4, 4, 4, 4), (1, 2, 4, 4)): (258.08, 1417093),
    ((4, 4, 4, 4), (4, 4, 4, 4)): (259.06, 1510277),
}
# fmt: on


def _commas(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))


DITE_CELLS: tuple[PaperNetwork, ...] = tuple(
    PaperNetwork(
        f"Dite-HRNet-18, G={_commas(groups)} N={_commas(kernels)}",
        "DiteHRNet",
        dict(arch="18", num_groups=groups, num_kernels=kernels),
        params,
        {SMALL: flops},
        {},
    )
    for (groups, kernels), (flops, params) in DITE_GROUPS_AND_KERNELS.items()
)

#: How far a figure may be from one given with two decimals, or printed with one.
RELEASED_DIGITS, PRINTED_DIGITS = 0.01, 0.1


class Comparison(NamedTuple):
    """A network measured at one setting, beside the reference figures.

    Attributes:
        row: The row.
        setting: Input size and joints.
        params: Parameters measured.
        flops: MFLOPs measured.
    """

    row: PaperNetwork
    setting: Setting
    params: int
    flops: float

    @property
    def released(self) -> float | None:
        """MFLOPs by the released code, where known."""
        return self.row.released.get(self.setting)

    @property
    def printed(self) -> float | None:
        """MFLOPs as printed, where the paper has them."""
        return self.row.printed.get(self.setting)

    @property
    def required(self) -> tuple[float, float] | None:
        """MFLOPs that must be met, and how closely.

        Those of the released code or, at 384x288, where these are not known, the
        printed ones. Other printed figures are for information: some are at odds with
        the papers' own code.
        """
        if self.released is not None:
            return self.released, RELEASED_DIGITS
        if self.setting == LARGE and self.printed is not None:
            return self.printed, PRINTED_DIGITS
        return None

    @property
    def agrees(self) -> bool:
        """Whether parameters and FLOPs are as required, so far as anything is."""
        if self.setting.joints == COCO and self.params != self.row.params:
            return False
        if self.required is None:
            return True
        flops, allowed = self.required
        return abs(self.flops - flops) <= allowed

    @property
    def cells(self) -> list[str]:
        """What stands under :data:`HEADER`."""
        verdict = "ok" if self.agrees else "OFF"
        return [
            self.row.name,
            str(self.setting),
            f"{self.params:,}",
            f"{self.flops:.2f}",
            "" if self.released is None else f"{self.released:.2f}",
            self._deviation(self.released),
            "" if self.printed is None else f"{self.printed:.1f}",
            self._deviation(self.printed),
            "" if self.agrees and self.required is None else verdict,
        ]

    def _deviation(self, reference: float | None) -> str:
        if reference is None:
            return ""
        off = round(100 * (self.flops / reference - 1), 2)
        return f"{off:+.2f}%" if off else "0.00%"


#: Columns of a table of comparisons.
HEADER = ["network", "input, joints", "parameters", "measured", "released", "off"]
HEADER += ["paper", "off", "check"]


def compare(row: PaperNetwork) -> Iterator[Comparison]:
    """Measure a row at every setting for which there is a reference figure.

    Args:
        row: A row of :data:`NETWORKS` or :data:`DITE_CELLS`.

    Yields:
        The comparisons, those with a released figure first.
    """
    backbone = getattr(backbones, row.type)(**row.args)
    for setting in dict.fromkeys((*row.released, *row.printed)):
        network = PoseNetwork(backbone, setting.joints)
        run = call_on(network, (setting.height, setting.width))
        flops = sum(paper_flops(network, run).values())
        params = sum(count_parameters(network).values())
        yield Comparison(row, setting, params, flops / MEBI)
