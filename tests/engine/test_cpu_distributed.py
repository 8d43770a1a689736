"""Two gloo processes train and test as one does."""

import os
import re

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from tests.engine.equal_batches import NETWORKS, PARTS, STEPS
from tests.robustness.recipes import CONFIGS, make_data, small_config
from tests.running import ROOT, free_port, mim, run_python

CPU_DISTRIBUTED = ROOT / "configs/_base_/cpu_distributed.py"
# Of the losses; on the machine that this was written on, they were equal bit for bit.
TOLERANCE = 1e-4

pytestmark = pytest.mark.slow


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
    run_python("-m", "tests.engine.equal_batches", data, out)
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


#: Stand-ins for Slurm: two nodes on this machine, each in a folder of its own.
SLURM = {
    "srun": """#!/bin/bash
echo "srun $*"
while [[ $1 == -* ]]; do
    case $1 in -p) shift ;; --ntasks=*) export SLURM_NTASKS=${1#*=} ;; esac
    shift
done
export SLURM_NODELIST=node[0-1] SLURM_LOCALID=0
for ((k = 0; k < SLURM_NTASKS; k++)); do
    mkdir -p node$k
    (cd node$k && SLURM_PROCID=$k exec "$@") &
done
wait -n && wait -n
""",
    "scontrol": """#!/bin/bash
[[ $* == "show hostname node[0-1]" ]] && echo 127.0.0.1
""",
}


def test_mim_on_two_nodes_of_slurm(data, tmp_path, monkeypatch):
    small = small_config("pose", data / "pose")
    small.train_cfg.update(max_epochs=1, val_interval=1)
    small.default_hooks.checkpoint.update(interval=1, save_best=None)
    # A number that is not 0 for a network that has seen eight pictures.
    small.val_evaluator = [small.val_evaluator, dict(type="EPE")]
    small.test_evaluator = small.val_evaluator
    small.dump(tmp_path / "small.py")
    config = tmp_path / "two.py"
    config.write_text(f"_base_ = ['small.py', '{CPU_DISTRIBUTED}']\n")

    for name, script in SLURM.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    two = ("--launcher", "slurm", "--gpus", 2, "--gpus-per-node", 1, "--partition", "a")
    run = ("mmpose", config, "--work-dir", tmp_path, *two, "--port", free_port())
    log = mim("train", *run, cwd=tmp_path)
    assert "srun -p a --gres=gpu:1 --ntasks=2 --ntasks-per-node=1" in log
    assert "Distributed training: True" in log and "GPU number: 2" in log

    # Both processes evaluated the network of the checkpoint, each a part of the images.
    checkpoint = tmp_path / "epoch_1.pth"
    alone = evaluate_alone(Config.fromfile(tmp_path / "small.py"), checkpoint, tmp_path)
    for name in ("coco/AP", "coco/AR", "EPE"):
        printed = re.findall(rf"{name}: ([\d.]+)", log)[-1]
        assert float(printed) == pytest.approx(alone[name], abs=1e-3), name
    assert alone["EPE"] > 0
