"""Complexity: the papers' counter, what is executed, and the papers' tables."""

import copy
import re
import runpy
import sys

import pytest
import torch
from torch import nn

import paper_tables
from complexity import Cost, measure, part_of, total
from counting import call_on, count_parameters, multiply_accumulates, paper_flops
from mmlitehrnet import LiteHRNet
from paper_tables import DITE_CELLS, NETWORKS, PoseNetwork, compare
from tests.models.backbones.test_lite_hrnet import NAIVE_WIDTHS, mmpose_extra
from tests.models.backbones.test_small_hrnet import EXTRAS
from tests.running import ROOT

ROWS = {row.name: row for row in NETWORKS + DITE_CELLS}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_row_of_the_papers_tables_is_reproduced(row):
    for result in compare(row):
        assert result.agrees, (result, result.released, result.printed)


# The networks that MMPose has too: its class and arguments, the head's width.
MMPOSE_TWINS = {
    "Lite-HRNet-18": ("LiteHRNet", mmpose_extra(), 40),
    "Lite-HRNet-30": ("LiteHRNet", mmpose_extra((3, 8, 3)), 40),
    "Naive Lite-HRNet-18": (
        "LiteHRNet", mmpose_extra(module_type="NAIVE", widths=NAIVE_WIDTHS), 30
    ),
    "Small HRNet-W16": ("HRNet", EXTRAS["w16"], 16),
}  # fmt: skip


def mmpose_network(name):
    import mmpose.models.backbones as theirs

    kind, extra, width = MMPOSE_TWINS[name]
    backbone = getattr(theirs, kind)(copy.deepcopy(extra))
    backbone.out_channels = (width,)
    return PoseNetwork(backbone, 17)


def own_network(name):
    row = ROWS[name]
    return PoseNetwork(getattr(paper_tables.backbones, row.type)(**row.args), 17)


def counted(count, network):
    return sum(count(network, call_on(network, (256, 192))).values())


@pytest.mark.parametrize("name", MMPOSE_TWINS)
def test_paper_flops_equal_those_of_mmposes_networks(name):
    # Ours call functions where MMPose's call modules; the count is the same.
    ours, theirs = own_network(name), mmpose_network(name)
    assert counted(paper_flops, ours) == counted(paper_flops, theirs)


def test_released_fusions_run_the_paths_from_branch_0_twice():
    networks = own_network("Lite-HRNet-18"), mmpose_network("Lite-HRNet-18")
    macs = [counted(multiply_accumulates, network) / 1e6 for network in networks]
    assert macs == pytest.approx([198.63, 242.35], abs=0.005)


@pytest.mark.parametrize(
    "module, shape, flops",
    [
        (nn.Conv2d(6, 4, 3, 2, 1, bias=False), (1, 6, 9, 8), 54 * 4 * 20),
        (nn.Conv2d(6, 4, (3, 1), groups=2), (1, 6, 10, 8), (9 * 4 + 4) * 64),
        (nn.BatchNorm2d(3), (1, 3, 4, 5), 120),
        (nn.BatchNorm2d(3, affine=False), (1, 3, 4, 5), 60),
        (nn.SyncBatchNorm(3), (1, 3, 4, 5), 120),
        (nn.ReLU(), (1, 3, 4, 5), 60),
        (nn.Sigmoid(), (1, 3, 4, 5), 0),
        # Windows of 3 and 3 rows (rows 0-2, 2-4) and of 2 columns, all plus one.
        (nn.AdaptiveAvgPool2d((2, 2)), (1, 3, 5, 4), 3 * (4 + 4) * (3 + 3)),
        (nn.AdaptiveAvgPool2d(1), (1, 3, 4, 5), 3 * 5 * 6),
        (nn.Upsample(scale_factor=2), (1, 3, 4, 5), 80),
    ],
)
def test_paper_flops_of_a_module(module, shape, flops):
    x = torch.zeros(shape)
    assert sum(paper_flops(module, lambda: module(x)).values()) == flops


class Twice(nn.Module):
    """Calls a module twice and multiplies matrices by itself."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1, bias=False)

    def forward(self, x):
        x = self.conv(self.conv(x))
        return x.flatten(2).transpose(1, 2) @ x.flatten(2)


def test_only_what_is_executed_counts_a_module_called_twice_twice():
    network = Twice()
    x = torch.zeros(1, 2, 3, 4)
    assert paper_flops(network, lambda: network(x)) == {"conv": 4 * 12}
    macs = multiply_accumulates(network, lambda: network(x))
    assert macs == {"conv": 2 * 4 * 12, "": 12 * 12 * 2}


def test_measuring_leaves_the_network_as_it_was():
    network = LiteHRNet(norm_eval=True).train()
    before = copy.deepcopy(network)
    measure(network, call_on(network, (32, 32)))
    values = before.state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(value, values[name]), name
    for module, other in zip(network.modules(), before.modules(), strict=True):
        assert module.training == other.training
        assert not module._forward_hooks and not module._forward_pre_hooks


def test_parts_sum_up_to_the_whole():
    network = own_network("Lite-HRNet-18")
    run = call_on(network, (64, 64))
    parts = measure(network, run)
    assert total(parts) == Cost(
        sum(count_parameters(network).values()),
        sum(paper_flops(network, run).values()),
        sum(multiply_accumulates(network, run).values()),
    )
    kinds = ("transition{}", "stage{} blocks", "stage{} fusions")
    stages = [kind.format(i) for i in range(3) for kind in kinds]
    assert list(parts) == ["stem", *stages, "head_layer", "head"]
    assert part_of("backbone.conv2") == "stem"  # of HRNet
    assert part_of("decode_head.convs.0.conv") == "decode_head"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the tool; give its exit status and what it printed."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["complexity.py", *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ROOT / "tools/complexity.py"), run_name="__main__")
        return stop.value.code, capsys.readouterr()

    return run


LITE_18 = ROOT / "configs/pose/litehrnet_18_coco_256x192.py"


@pytest.mark.parametrize(
    "size, flops", [((), "205.23"), (("--input-size", 384, 288), "461.56")]
)
def test_tool_prints_the_parts_and_the_total(run, size, flops):
    code, printed = run(LITE_18, *size)
    assert not code
    assert re.search(rf"^\| total +\| +1,130,769 \| +{flops} \|", printed.out, re.M)


SIZE = "--input-size"


@pytest.mark.parametrize(
    "args", [(), (LITE_18, "--paper"), ("--paper", SIZE, 9, 9), (LITE_18, SIZE, 0, 9)]
)
def test_tool_refuses_what_makes_no_sense(run, args):
    code, printed = run(*args)
    assert code == 2
    assert "error:" in printed.err


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "there is no such file"),
        ("model = (", "cannot be read: SyntaxError"),
        ("width = 3", "it has no model"),
    ],
)
def test_files_that_are_no_configs(run, tmp_path, content, words):
    path = tmp_path / "a.py"
    if content is not None:
        path.write_text(content)
    code, printed = run(path)
    assert code == 2
    assert re.search(f"^complexity: error: config {path}:? .*{words}", printed.err)


@pytest.mark.parametrize("off, expected", [(0, 0), (1, 1)])
def test_tool_fails_if_a_row_is_off(monkeypatch, run, off, expected):
    row = ROWS["Naive Lite-HRNet-18"]
    changed = row._replace(params=row.params + off)
    monkeypatch.setattr(paper_tables, "NETWORKS", (changed,))
    monkeypatch.setattr(paper_tables, "DITE_CELLS", DITE_CELLS[:1])
    code, printed = run("--paper")
    assert code == expected
    assert ("off: Naive Lite-HRNet-18" in printed.out) == bool(off)
