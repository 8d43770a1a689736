"""Two gloo processes train and test as one does."""

import re
import socket

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from tests.engine.equal_batches import NETWORKS, PARTS, STEPS
from tests.robustness.recipes import CONFIGS, make_data, small_config
from tests.running import ROOT, mim, run_python

CPU_DISTRIBUTED = ROOT / "configs/_base_/cpu_distributed.py"
TWO = ("--launcher", "pytorch", "--gpus", 2)
# Of the losses; on the machine that this was written on, they were equal bit for bit.
TOLERANCE = 1e-4

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for task in CONFIGS:
        # More people than three steps of four need, and a number of validation images
        # that two processes cannot share equally.
        make_data(task, folder / task, num_train=8, num_val=3)
    return folder


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """Results of a single process, and of each of two that share the batch."""
    out = tmp_path_factory.mktemp("out")
    script = ("-m", "tests.engine.equal_batches", data, out)
    run_python(*script)
    launch = ("-m", "torch.distributed.run", "--nproc_per_node", 2)
    run_python(*launch, "--master_port", free_port(), *script)
    names = {"one": "1_0", "first": "2_0", "second": "2_1"}
    return {key: torch.load(out / f"{name}.pth") for key, name in names.items()}


@pytest.mark.parametrize("network", NETWORKS, ids="-".join)
def test_ranks_hold_the_same_parameters(runs, network):
    first, second = runs["first"][network], runs["second"][network]
    assert first["wrapper"] == "MMDistributedDataParallel"
    assert first["finds_unused"] is False
    for name, value in first["weights"].items():
        assert torch.equal(value, second["weights"][name]), name


@pytest.mark.parametrize("network", NETWORKS, ids="-".join)
def test_two_processes_follow_one_that_adds_up_their_gradients(runs, network):
    one = torch.tensor(runs["one"][network]["losses"]).reshape(STEPS, PARTS)
    halves = [torch.tensor(runs[key][network]["losses"]) for key in ("first", "second")]
    two = torch.stack(halves, 1)
    assert ((one - two) / one).abs().max() < TOLERANCE
    # The halves are different images, and something is learned from them.
    assert not torch.allclose(*halves, rtol=10 * TOLERANCE)
    assert one[-1].mean() < one[0].mean()


def evaluate_alone(cfg, checkpoint, work_dir):
    """What `mim test` does on one process, without starting another Python."""
    cfg = cfg.copy()
    cfg.update(load_from=str(checkpoint), work_dir=str(work_dir), log_level="ERROR")
    return Runner.from_cfg(cfg).test()


def test_mim_on_two_processes(data, tmp_path):
    small = small_config("pose", data / "pose")
    small.train_cfg.update(max_epochs=1, val_interval=1)
    small.default_hooks.checkpoint.update(interval=1, save_best=None)
    # A number that is not 0 for a network that has seen eight pictures.
    small.val_evaluator = [small.val_evaluator, dict(type="EPE")]
    small.test_evaluator = small.val_evaluator
    small.dump(tmp_path / "small.py")
    config = tmp_path / "two.py"
    config.write_text(f"_base_ = ['small.py', '{CPU_DISTRIBUTED}']\n")

    run = ("mmpose", config, "--work-dir", tmp_path, *TWO, "--port", free_port())
    log = mim("train", *run)
    assert "Distributed training: True" in log and "GPU number: 2" in log

    # Both processes evaluated the network of the checkpoint, each a part of the images.
    checkpoint = tmp_path / "epoch_1.pth"
    alone = evaluate_alone(Config.fromfile(tmp_path / "small.py"), checkpoint, tmp_path)
    for name in ("coco/AP", "coco/AR", "EPE"):
        printed = re.findall(rf"{name}: ([\d.]+)", log)[-1]
        assert float(printed) == pytest.approx(alone[name], abs=1e-3), name
    assert alone["EPE"] > 0
