"""Two gloo processes train and test as one does."""

import re
import socket

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from tests.robustness.equal_batches import STEPS
from tests.robustness.recipes import CONFIGS, PACKAGES, TINY, make_data, small_config
from tests.running import ROOT, mim, run_python

CPU_DISTRIBUTED = ROOT / "configs/_base_/cpu_distributed.py"
NETWORKS = [(task, backbone) for task in CONFIGS for backbone in TINY]
TWO = ("--launcher", "pytorch", "--gpus", 2)
# Losses of the third step: sums are taken in another order, and the first steps of Adam
# divide small gradients by themselves.
TOLERANCE = 5e-3


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
    script = ("-m", "tests.robustness.equal_batches", data, out)
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
    # Statistics too: they are those of the batch that both share.
    for kind in ("weights", "buffers"):
        for name, value in first[kind].items():
            assert torch.equal(value, second[kind][name]), name


@pytest.mark.parametrize("network", NETWORKS, ids="-".join)
def test_two_processes_follow_one(runs, network):
    one = torch.tensor(runs["one"][network]["losses"])
    halves = [torch.tensor(runs[key][network]["losses"]) for key in ("first", "second")]
    two = sum(halves) / 2
    assert len(one) == STEPS
    assert ((one - two) / one).abs().max() < TOLERANCE
    # The halves are different images.
    assert not torch.allclose(*halves, rtol=TOLERANCE)
    assert one[-1] < one[0]


def evaluate_alone(cfg, checkpoint, work_dir):
    """What `mim test` does on one process, without starting another Python."""
    cfg = cfg.copy()
    cfg.update(load_from=str(checkpoint), work_dir=str(work_dir), log_level="ERROR")
    return Runner.from_cfg(cfg).test()


@pytest.mark.parametrize("task", CONFIGS)
def test_mim_on_two_processes(data, task, tmp_path):
    small = small_config(task, data / task)
    small.train_cfg = dict(type="IterBasedTrainLoop", max_iters=2, val_interval=99)
    small.param_scheduler = None
    small.default_hooks.checkpoint.update(by_epoch=False, interval=2, save_best=None)
    if task == "pose":
        # A number that is not 0 for a network that has seen eight pictures.
        small.test_evaluator = [small.test_evaluator, dict(type="EPE")]
    small.dump(tmp_path / "small.py")
    config = tmp_path / "two.py"
    config.write_text(f"_base_ = ['small.py', '{CPU_DISTRIBUTED}']\n")

    package, work_dir = PACKAGES[task], tmp_path / "work"
    run = (package, config, *TWO, "--work-dir", work_dir)
    checkpoint = work_dir / "iter_2.pth"
    if task == "pose":
        log = mim("train", *run, "--port", free_port())
        assert "Distributed training: True" in log and "GPU number: 2" in log
        assert checkpoint.exists()
    else:  # training by mim differs in nothing that matters here
        cfg = small.copy()
        cfg.update(work_dir=str(work_dir), log_level="ERROR")
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        Runner.from_cfg(cfg).train()
    log = mim("test", *run, "--port", free_port(), "--checkpoint", checkpoint)
    assert "Distributed training: True" in log

    alone = evaluate_alone(Config.fromfile(tmp_path / "small.py"), checkpoint, tmp_path)
    scores = {"pose": ("coco/AP", "coco/AR", "EPE"), "seg": ("mIoU", "aAcc", "mAcc")}
    for name in scores[task]:
        printed = re.findall(rf"{name}: ([\d.]+)", log)[-1]
        assert float(printed) == pytest.approx(alone[name], abs=1e-3), name
    assert alone[scores[task][-1]] > 0
